-- The words of the titles. Without content of its own: titles lie in `products` alone, and
-- the rowid is a product's id. The category is a word of its own column, so that a search
-- within a category reads the postings of both and no product.
CREATE VIRTUAL TABLE search USING fts5(
    title, category, content = '', contentless_delete = 1,
    tokenize = "unicode61 remove_diacritics 2"
);

-- Products with an id up to `meta.search_watermark` whose words have changed since they were
-- indexed. Products beyond it need no entry, so a load of new ones costs nothing here.
CREATE TABLE search_queue (
    seq        INTEGER PRIMARY KEY,
    product_id INTEGER NOT NULL
);

-- Raised when the index moves: search results depend on it, and on their list.
INSERT INTO category_version (category_id, version, products) VALUES (-1, 1, 0);
