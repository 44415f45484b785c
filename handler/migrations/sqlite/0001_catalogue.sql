-- Products, categories, their versions and counters, import runs.

CREATE TABLE categories (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL
);

-- The version under which a category's pages count, and its number of products. Raised
-- by every write that touches the category; row 0 stands for the whole catalogue. Rows
-- are never deleted: a version that was once given must never come back.
CREATE TABLE category_version (
    category_id INTEGER PRIMARY KEY,
    version     INTEGER NOT NULL,
    products    INTEGER NOT NULL
);
INSERT INTO category_version (category_id, version, products) VALUES (0, 1, 0);

-- A rowid table and not WITHOUT ROWID: rows come in random asin order, and appending
-- 300 bytes while only the asin's index is filled in random order is several times faster.
-- Amounts and stars are hundredths.
CREATE TABLE products (
    id                  INTEGER PRIMARY KEY,
    asin                TEXT    NOT NULL,
    title               TEXT    NOT NULL,
    img_url             TEXT,
    product_url         TEXT,
    stars               INTEGER,
    reviews             INTEGER,
    price               INTEGER,
    list_price          INTEGER,
    category_id         INTEGER NOT NULL,
    is_best_seller      INTEGER,
    bought_in_last_month INTEGER
);

-- Times are microseconds since 1970. Runs are kept for ever, so that a source delivered
-- again is known; rejects and marks are pruned.
CREATE TABLE import_run (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    source          TEXT    NOT NULL,
    etag            TEXT    NOT NULL,
    attempt         INTEGER NOT NULL,
    state           TEXT    NOT NULL,
    size            INTEGER NOT NULL,
    byte_offset     INTEGER NOT NULL DEFAULT 0,
    line            INTEGER NOT NULL DEFAULT 1,
    columns         TEXT    NOT NULL DEFAULT '',
    digest          TEXT    NOT NULL DEFAULT '',
    rows_read       INTEGER NOT NULL DEFAULT 0,
    rows_loaded     INTEGER NOT NULL DEFAULT 0,
    rows_replaced   INTEGER NOT NULL DEFAULT 0,
    rows_rejected   INTEGER NOT NULL DEFAULT 0,
    rejects_max     INTEGER,
    categories_made INTEGER NOT NULL DEFAULT 0,
    errors          INTEGER NOT NULL DEFAULT 0,
    error           TEXT,
    lease_token     TEXT,
    lease_until     INTEGER NOT NULL DEFAULT 0,
    created_at      INTEGER NOT NULL,
    ended_at        INTEGER,
    UNIQUE (source, etag, attempt)
);
CREATE INDEX import_run_unfinished ON import_run (state) WHERE state IN ('loading', 'indexing');

CREATE TABLE import_reject (
    run_id INTEGER NOT NULL,
    byte   INTEGER NOT NULL,
    line   INTEGER NOT NULL,
    field  TEXT,
    reason TEXT    NOT NULL,
    record TEXT    NOT NULL,
    PRIMARY KEY (run_id, byte)
) WITHOUT ROWID;

-- Which rows a run has loaded, a bit each, so that a later row of the same file is
-- counted as replacing an earlier one however far apart the two are.
CREATE TABLE import_mark (
    run_id INTEGER NOT NULL,
    chunk  INTEGER NOT NULL,
    bits   BLOB    NOT NULL,
    PRIMARY KEY (run_id, chunk)
) WITHOUT ROWID;
