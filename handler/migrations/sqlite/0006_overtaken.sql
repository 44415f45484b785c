-- When the state of a run's source was written, by the source's own clock, µs since 1970: a
-- delivery that comes late carries an older state than a run has, and is left alone.
ALTER TABLE import_run ADD COLUMN modified INTEGER;
