-- Users, their sessions, and the passwords of local accounts. Times are µs since 1970;
-- `email_key` is the address as it is compared.

CREATE TABLE users (
    id         TEXT    PRIMARY KEY,
    email      TEXT    NOT NULL,
    email_key  TEXT    NOT NULL UNIQUE,
    first_name TEXT    NOT NULL,
    last_name  TEXT    NOT NULL,
    active     INTEGER NOT NULL,
    admin      INTEGER NOT NULL,
    -- NULL while the sign-up is pending.
    account    TEXT    UNIQUE,
    was_listed INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE sessions (
    token      BLOB    PRIMARY KEY,
    family     TEXT    NOT NULL,
    user_id    TEXT    NOT NULL,
    expires_at INTEGER NOT NULL,
    -- When it was exchanged for the next one. Kept, so that a reuse is noticed.
    used_at    INTEGER
) WITHOUT ROWID;
CREATE INDEX sessions_family ON sessions (family);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_end ON sessions (expires_at);

CREATE TABLE passwords (
    user_id   TEXT PRIMARY KEY,
    email_key TEXT NOT NULL UNIQUE,
    hash      TEXT NOT NULL
) WITHOUT ROWID;

-- Raised when somebody's rights change.
INSERT INTO category_version (category_id, version, products) VALUES (-2, 1, 0);
