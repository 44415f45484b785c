-- How fast a run goes: bytes of the source as stored that were read up to the checkpoint, when
-- its owner took it and what had been done by then, and when the checkpoint moved last. For
-- people's eyes only: nothing is decided by them.
ALTER TABLE import_run ADD COLUMN stored_offset INTEGER NOT NULL DEFAULT 0;
ALTER TABLE import_run ADD COLUMN taken_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE import_run ADD COLUMN taken_read INTEGER NOT NULL DEFAULT 0;
ALTER TABLE import_run ADD COLUMN taken_stored INTEGER NOT NULL DEFAULT 0;
ALTER TABLE import_run ADD COLUMN moved_at INTEGER NOT NULL DEFAULT 0;
-- Of runs from before as much as is known.
UPDATE import_run SET stored_offset = min(byte_offset, size), taken_at = created_at,
    moved_at = COALESCE(ended_at, created_at);
