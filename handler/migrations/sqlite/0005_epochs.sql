-- Raised when whoever was let in before must prove themselves anew: every token carries the
-- epoch of its user and counts only in that one. Who signed up with somebody else's address
-- holds good tokens; they must not become an administrator's when the owner proves it.
ALTER TABLE users ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;

-- When somebody signed in, µs since 1970, whatever was refreshed since: a password changed
-- later at the place of accounts ends the session. 0: before all of them, so that sessions
-- from before this column end there.
ALTER TABLE sessions ADD COLUMN began_at INTEGER NOT NULL DEFAULT 0;
