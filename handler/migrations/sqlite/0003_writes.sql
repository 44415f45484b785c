-- What was answered to a request that carried an Idempotency-Key, for a day: the same request
-- sent again gets the same answer, another request under the same key none. Written in the
-- transaction that does what was asked for, so there is no row without its effect.
CREATE TABLE idempotency (
    user_id    TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    -- SHA-256 of the request's body. The answer is made of the same body again.
    digest     BLOB    NOT NULL,
    asin       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, key)
) WITHOUT ROWID;
CREATE INDEX idempotency_age ON idempotency (created_at);
