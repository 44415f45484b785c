-- How fast a run goes: bytes of the source as stored that were read up to the checkpoint, when
-- its owner took it and what had been done by then, and when the checkpoint moved last. For
-- people's eyes only: nothing is decided by them.
ALTER TABLE amazon.import_run ADD stored_offset BIGINT NOT NULL
    CONSTRAINT df_run_stored DEFAULT 0;
ALTER TABLE amazon.import_run ADD taken_at BIGINT NOT NULL CONSTRAINT df_run_taken DEFAULT 0;
ALTER TABLE amazon.import_run ADD taken_read BIGINT NOT NULL
    CONSTRAINT df_run_taken_read DEFAULT 0;
ALTER TABLE amazon.import_run ADD taken_stored BIGINT NOT NULL
    CONSTRAINT df_run_taken_stored DEFAULT 0;
ALTER TABLE amazon.import_run ADD moved_at BIGINT NOT NULL CONSTRAINT df_run_moved DEFAULT 0;
GO
-- Of runs from before as much as is known.
UPDATE amazon.import_run
SET stored_offset = CASE WHEN byte_offset < size THEN byte_offset ELSE size END,
    taken_at = created_at, moved_at = COALESCE(ended_at, created_at);
