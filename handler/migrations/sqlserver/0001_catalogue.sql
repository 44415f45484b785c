-- Products, categories, their versions and counters. A line that says GO ends a batch.
--
-- Times are microseconds since 1970 by the database's clock.

CREATE TABLE amazon.categories (
    id   INT           NOT NULL CONSTRAINT pk_categories PRIMARY KEY,
    name NVARCHAR(400) NOT NULL
);

-- The version under which a category's pages count, and its number of products. Raised by
-- the triggers below whoever writes; row 0 stands for the whole catalogue, row -1 for the
-- search index, row -2 for the users' rights. Rows are never deleted: a version that was
-- once given must never come back.
CREATE TABLE amazon.category_version (
    category_id INT    NOT NULL CONSTRAINT pk_category_version PRIMARY KEY,
    version     BIGINT NOT NULL,
    products    BIGINT NOT NULL
);
INSERT INTO amazon.category_version (category_id, version, products)
VALUES (0, 1, 0), (-1, 1, 0), (-2, 1, 0);

-- Columns are named as those of the data set, so that a pipeline maps them by itself. The key
-- is compared byte by byte, on any server alike: pages go by it. A text of n characters may
-- take 2 n units of NVARCHAR.
CREATE TABLE amazon.products (
    asin              VARCHAR(20) COLLATE Latin1_General_100_BIN2 NOT NULL
                      CONSTRAINT pk_products PRIMARY KEY,
    title             NVARCHAR(1000) NOT NULL,
    imgUrl            NVARCHAR(1000) NULL,
    productURL        NVARCHAR(1000) NULL,
    stars             DECIMAL(3, 2)  NULL,
    reviews           BIGINT         NULL,
    price             DECIMAL(10, 2) NULL,
    listPrice         DECIMAL(10, 2) NULL,
    -- Always that of a category, see the triggers. No foreign key: not every engine looks keys
    -- up as a set, and one row at a time they are a sixth of an import's time.
    category_id       INT            NOT NULL,
    isBestSeller      BIT            NULL,
    boughtInLastMonth BIGINT         NULL,
    -- The import run that wrote the row last, so that a later row of the same file is known
    -- to replace an earlier one.
    import_run        BIGINT         NULL
);
GO
-- A batch of ten thousand rows must not lock the whole table for its readers. (Not every
-- engine knows the setting; one that does not never escalates.)
BEGIN TRY
    EXEC(N'ALTER TABLE amazon.products SET (LOCK_ESCALATION = DISABLE)');
END TRY
BEGIN CATCH
    PRINT 'lock escalation stays as it is';
END CATCH;
GO
-- One narrow index for each order of each list, read in its own direction: sort key and asin
-- alone, so that a row costs an import about 30 bytes of log an index. A page then fetches
-- its hundred rows by their keys.
--   of one category, by asin: GET /products?category_id=
CREATE INDEX products_category ON amazon.products (category_id, asin);
--   of the catalogue: sort=price, -price, -stars, -reviews
CREATE INDEX products_price ON amazon.products (price, asin);
CREATE INDEX products_price_desc ON amazon.products (price DESC, asin);
CREATE INDEX products_stars ON amazon.products (stars DESC, asin);
CREATE INDEX products_reviews ON amazon.products (reviews DESC, asin);
--   and the same of one category
CREATE INDEX products_category_price ON amazon.products (category_id, price, asin);
CREATE INDEX products_category_price_desc ON amazon.products (category_id, price DESC, asin);
CREATE INDEX products_category_stars ON amazon.products (category_id, stars DESC, asin);
CREATE INDEX products_category_reviews ON amazon.products (category_id, reviews DESC, asin);
GO
-- Raises the versions and counters of what is in #touched, a row (category_id, gained) for
-- each change: categories first, the whole catalogue last. A version is never below the
-- clock, so a database restored to an earlier state does not give out a number twice.
CREATE PROCEDURE amazon.raise_touched AS
BEGIN
    SET NOCOUNT ON;
    DECLARE @now BIGINT = DATEDIFF_BIG(MICROSECOND, '1970-01-01', SYSUTCDATETIME());
    DECLARE @gained BIGINT;
    IF NOT EXISTS (SELECT 1 FROM #touched) RETURN;
    SELECT @gained = SUM(gained) FROM #touched;
    UPDATE v SET version = CASE WHEN v.version >= @now THEN v.version + 1 ELSE @now END,
                 products = v.products + t.gained
    FROM amazon.category_version AS v
    JOIN (SELECT category_id, SUM(gained) AS gained FROM #touched GROUP BY category_id) AS t
        ON t.category_id = v.category_id;
    UPDATE amazon.category_version
    SET version = CASE WHEN version >= @now THEN version + 1 ELSE @now END,
        products = products + @gained
    WHERE category_id = 0;
END;
GO
-- Nobody writes past the cache: a pipeline and a query editor raise versions as the service
-- does. A bulk apply (amazon.apply_stage) asks the trigger to note only, and raises once at
-- its end. What passes a trigger by, TRUNCATE and bulk copies without triggers, needs a
-- right that the service and pipelines are not given.
--
-- Nobody writes a product of a category that is not there either. What is seen here once is
-- there for good, for categories are never removed; so no lock is needed, but an uncommitted
-- category must not be seen, whatever the writer's session has set.
CREATE TRIGGER amazon.products_touched ON amazon.products AFTER INSERT, UPDATE, DELETE AS
BEGIN
    SET NOCOUNT ON;
    IF EXISTS (SELECT 1 FROM inserted AS i
               LEFT JOIN amazon.categories AS c WITH (READCOMMITTED) ON c.id = i.category_id
               WHERE c.id IS NULL)
        THROW 50547, 'a product names a category that is not in amazon.categories', 1;
    IF CAST(SESSION_CONTEXT(N'vitrine.apply') AS INT) = 1
    BEGIN
        INSERT INTO #touched (category_id, gained)
        SELECT category_id, SUM(gained)
        FROM (SELECT category_id, 1 AS gained FROM inserted
              UNION ALL SELECT category_id, -1 FROM deleted) AS moved
        GROUP BY category_id;
        RETURN;
    END;
    DECLARE @now BIGINT = DATEDIFF_BIG(MICROSECOND, '1970-01-01', SYSUTCDATETIME());
    DECLARE @gained BIGINT, @rows BIGINT;
    SELECT @gained = SUM(gained), @rows = COUNT(*)
    FROM (SELECT 1 AS gained FROM inserted UNION ALL SELECT -1 FROM deleted) AS moved;
    IF @rows = 0 RETURN;
    UPDATE v SET version = CASE WHEN v.version >= @now THEN v.version + 1 ELSE @now END,
                 products = v.products + t.gained
    FROM amazon.category_version AS v
    JOIN (SELECT category_id, SUM(gained) AS gained
          FROM (SELECT category_id, 1 AS gained FROM inserted
                UNION ALL SELECT category_id, -1 FROM deleted) AS moved
          GROUP BY category_id) AS t ON t.category_id = v.category_id;
    UPDATE amazon.category_version
    SET version = CASE WHEN version >= @now THEN version + 1 ELSE @now END,
        products = products + @gained
    WHERE category_id = 0;
END;
GO
-- A category that comes gets its version, one that comes or is named anew raises it. None goes:
-- whoever writes a product relies on it.
CREATE TRIGGER amazon.categories_touched ON amazon.categories AFTER INSERT, UPDATE, DELETE AS
BEGIN
    SET NOCOUNT ON;
    IF EXISTS (SELECT id FROM deleted EXCEPT SELECT id FROM inserted)
        THROW 50548, 'a category is not removed and keeps its id: products may name it', 1;
    IF NOT EXISTS (SELECT 1 FROM inserted) RETURN;
    DECLARE @now BIGINT = DATEDIFF_BIG(MICROSECOND, '1970-01-01', SYSUTCDATETIME());
    INSERT INTO amazon.category_version (category_id, version, products)
    SELECT id, 1, 0 FROM inserted
    WHERE NOT EXISTS (SELECT 1 FROM amazon.category_version WHERE category_id = inserted.id);
    IF CAST(SESSION_CONTEXT(N'vitrine.apply') AS INT) = 1
    BEGIN
        INSERT INTO #touched (category_id, gained) SELECT id, 0 FROM inserted;
        RETURN;
    END;
    UPDATE amazon.category_version
    SET version = CASE WHEN version >= @now THEN version + 1 ELSE @now END
    WHERE category_id IN (SELECT id FROM inserted);
    UPDATE amazon.category_version
    SET version = CASE WHEN version >= @now THEN version + 1 ELSE @now END
    WHERE category_id = 0;
END;
