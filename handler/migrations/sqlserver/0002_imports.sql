-- Import runs, and the way from staged rows to products.
--
-- Runs are kept for ever, so that a source delivered again is known; rejects are pruned.

CREATE TABLE amazon.import_run (
    id              BIGINT IDENTITY(1, 1) NOT NULL CONSTRAINT pk_import_run PRIMARY KEY,
    source          NVARCHAR(2000) NOT NULL,
    etag            NVARCHAR(200)  NOT NULL,
    attempt         INT            NOT NULL,
    state           VARCHAR(10)    NOT NULL,
    size            BIGINT         NOT NULL,
    byte_offset     BIGINT         NOT NULL CONSTRAINT df_run_offset DEFAULT 0,
    line            BIGINT         NOT NULL CONSTRAINT df_run_line DEFAULT 1,
    columns         NVARCHAR(2000) NOT NULL CONSTRAINT df_run_columns DEFAULT N'',
    digest          NVARCHAR(100)  NOT NULL CONSTRAINT df_run_digest DEFAULT N'',
    rows_read       BIGINT         NOT NULL CONSTRAINT df_run_read DEFAULT 0,
    rows_loaded     BIGINT         NOT NULL CONSTRAINT df_run_loaded DEFAULT 0,
    rows_replaced   BIGINT         NOT NULL CONSTRAINT df_run_replaced DEFAULT 0,
    rows_rejected   BIGINT         NOT NULL CONSTRAINT df_run_rejected DEFAULT 0,
    rejects_max     BIGINT         NULL,
    categories_made INT            NOT NULL CONSTRAINT df_run_made DEFAULT 0,
    errors          INT            NOT NULL CONSTRAINT df_run_errors DEFAULT 0,
    error           NVARCHAR(2000) NULL,
    lease_token     VARCHAR(36)    NULL,
    lease_until     BIGINT         NOT NULL CONSTRAINT df_run_lease DEFAULT 0,
    created_at      BIGINT         NOT NULL,
    -- When the source's state was written, by the source's clock; µs since 1970.
    modified        BIGINT         NULL,
    ended_at        BIGINT         NULL,
    -- A source may be longer than a key; its hash finds it.
    source_hash     BINARY(32)     NOT NULL,
    CONSTRAINT uq_import_run UNIQUE (source_hash, etag, attempt)
);
CREATE INDEX import_run_state ON amazon.import_run (state);

CREATE TABLE amazon.import_reject (
    run_id BIGINT         NOT NULL,
    byte   BIGINT         NOT NULL,
    line   BIGINT         NOT NULL,
    field  NVARCHAR(100)  NULL,
    reason NVARCHAR(2000) NOT NULL,
    record NVARCHAR(MAX)  NOT NULL,
    CONSTRAINT pk_import_reject PRIMARY KEY (run_id, byte)
);

-- Rows that a run has met and that were stored as it has them: they are not written, so their
-- products do not name the run. Forgotten when the run is done.
CREATE TABLE amazon.import_met (
    run_id BIGINT      NOT NULL,
    name   VARCHAR(20) COLLATE Latin1_General_100_BIN2 NOT NULL,
    CONSTRAINT pk_import_met PRIMARY KEY (run_id, name)
);
GO
-- The part of amazon.apply_stage that rows need which are there already, those of #known: a
-- procedure of its own, since an engine that reads a procedure anew on each connection takes
-- a good while for it, and a first import needs it never. Tells how many rows met an earlier
-- one of the same run.
CREATE PROCEDURE amazon.apply_known
    @run BIGINT, @columns INT, @replaced BIGINT OUTPUT
AS
BEGIN
    SET NOCOUNT ON;
    SET XACT_ABORT ON;
    SET @replaced = 0;
    CREATE TABLE #met (asin VARCHAR(20) COLLATE Latin1_General_100_BIN2 NOT NULL);
    IF @run IS NOT NULL
    BEGIN
        -- As sets, here and below: joined row by row, the rows met take as many
        -- comparisons as there are pairs where a server does not know their number.
        INSERT INTO #met (asin)
        SELECT asin FROM #known INTERSECT
        SELECT name FROM amazon.import_met WHERE run_id = @run;
        SELECT @replaced = COUNT(*) FROM #known AS k
        JOIN amazon.products AS p ON p.asin = k.asin
        WHERE p.import_run = @run OR k.asin IN (SELECT asin FROM #met);
    END;

    UPDATE p SET
        title = s.title,
        category_id = s.category_id,
        imgUrl = CASE WHEN @columns & 1 <> 0 THEN s.imgUrl ELSE p.imgUrl END,
        productURL = CASE WHEN @columns & 2 <> 0 THEN s.productURL ELSE p.productURL END,
        stars = CASE WHEN @columns & 4 <> 0 THEN s.stars ELSE p.stars END,
        reviews = CASE WHEN @columns & 8 <> 0 THEN s.reviews ELSE p.reviews END,
        price = CASE WHEN @columns & 16 <> 0 THEN s.price ELSE p.price END,
        listPrice = CASE WHEN @columns & 32 <> 0 THEN s.listPrice ELSE p.listPrice END,
        isBestSeller = CASE WHEN @columns & 64 <> 0 THEN s.isBestSeller ELSE p.isBestSeller END,
        boughtInLastMonth = CASE WHEN @columns & 128 <> 0 THEN s.boughtInLastMonth
                                 ELSE p.boughtInLastMonth END,
        import_run = @run
    FROM amazon.products AS p
    JOIN #stage AS s ON s.asin = p.asin
    -- Only those that differ, unknown values included. Texts are compared as bytes: a
    -- collation takes a and A, or a and a with spaces behind it, for the same.
    WHERE p.category_id <> s.category_id
       OR CAST(p.title AS VARBINARY(2000)) <> CAST(s.title AS VARBINARY(2000))
       OR (@columns & 1 <> 0 AND ISNULL(CAST(p.imgUrl AS VARBINARY(2000)), 0x00)
                              <> ISNULL(CAST(s.imgUrl AS VARBINARY(2000)), 0x00))
       OR (@columns & 2 <> 0 AND ISNULL(CAST(p.productURL AS VARBINARY(2000)), 0x00)
                              <> ISNULL(CAST(s.productURL AS VARBINARY(2000)), 0x00))
       OR (@columns & 4 <> 0 AND ISNULL(p.stars, -1) <> ISNULL(s.stars, -1))
       OR (@columns & 8 <> 0 AND ISNULL(p.reviews, -1) <> ISNULL(s.reviews, -1))
       OR (@columns & 16 <> 0 AND ISNULL(p.price, -1) <> ISNULL(s.price, -1))
       OR (@columns & 32 <> 0 AND ISNULL(p.listPrice, -1) <> ISNULL(s.listPrice, -1))
       OR (@columns & 64 <> 0 AND ISNULL(CAST(p.isBestSeller AS INT), -1)
                               <> ISNULL(CAST(s.isBestSeller AS INT), -1))
       OR (@columns & 128 <> 0 AND ISNULL(p.boughtInLastMonth, -1)
                                <> ISNULL(s.boughtInLastMonth, -1));

    IF @run IS NOT NULL
        INSERT INTO amazon.import_met (run_id, name)
        SELECT @run, unwritten.asin
        FROM (SELECT k.asin FROM #known AS k JOIN amazon.products AS p ON p.asin = k.asin
              WHERE p.import_run IS NULL OR p.import_run <> @run
              EXCEPT SELECT asin FROM #met) AS unwritten;
END;
GO
-- Brings what is in the caller's #stage into the products: each asin at most once, columns
-- named as those of the products. Which optional columns count is told by @columns, a bit
-- each from the first: imgUrl, productURL, stars, reviews, price, listPrice, isBestSeller,
-- boughtInLastMonth; a stored value of the others is kept. @categories is a comma list of
-- categories to be made beside those of the staged rows. Runs within the caller's
-- transaction; answers with one row: replaced, categories_made.
CREATE PROCEDURE amazon.apply_stage
    @run BIGINT = NULL, @columns INT = 255, @categories NVARCHAR(MAX) = N''
AS
BEGIN
    SET NOCOUNT ON;
    SET XACT_ABORT ON;
    DECLARE @replaced BIGINT = 0, @made INT = 0, @known INT = 0;
    CREATE TABLE #touched (category_id INT NOT NULL, gained BIGINT NOT NULL);
    CREATE TABLE #known (asin VARCHAR(20) COLLATE Latin1_General_100_BIN2 NOT NULL);
    EXEC sp_set_session_context N'vitrine.apply', 1;
    BEGIN TRY
        INSERT INTO amazon.categories (id, name)
        SELECT mentioned.id, N'Category ' + CAST(mentioned.id AS NVARCHAR(11))
        FROM (SELECT category_id AS id FROM #stage
              UNION SELECT CAST(value AS INT) FROM STRING_SPLIT(@categories, N',') WHERE value <> N'')
             AS mentioned
        WHERE NOT EXISTS (SELECT 1 FROM amazon.categories AS known WHERE known.id = mentioned.id);
        SET @made = @@ROWCOUNT;

        -- Looked for once: a first import meets none, and is spared the rest.
        INSERT INTO #known (asin)
        SELECT s.asin FROM #stage AS s JOIN amazon.products AS p ON p.asin = s.asin;
        SET @known = @@ROWCOUNT;

        IF @known > 0
            EXEC amazon.apply_known @run = @run, @columns = @columns,
                @replaced = @replaced OUTPUT;

        INSERT INTO amazon.products (asin, title, imgUrl, productURL, stars, reviews, price,
            listPrice, category_id, isBestSeller, boughtInLastMonth, import_run)
        SELECT asin, title, imgUrl, productURL, stars, reviews, price, listPrice, category_id,
            isBestSeller, boughtInLastMonth, @run
        FROM #stage AS s
        WHERE NOT EXISTS (SELECT 1 FROM #known AS k WHERE k.asin = s.asin)
        -- Five of nine indexes begin with the category: rows of one are written side by side.
        ORDER BY category_id, asin;

        EXEC amazon.raise_touched;
        EXEC sp_set_session_context N'vitrine.apply', 0;
    END TRY
    BEGIN CATCH
        EXEC sp_set_session_context N'vitrine.apply', 0;
        THROW;
    END CATCH;
    SELECT @replaced AS replaced, @made AS categories_made;
END;
GO
-- Where a pipeline puts rows that it wants in the catalogue.
CREATE TABLE amazon.import_stage (
    asin              VARCHAR(20) COLLATE Latin1_General_100_BIN2 NOT NULL
                      CONSTRAINT pk_import_stage PRIMARY KEY,
    title             NVARCHAR(1000) NOT NULL,
    imgUrl            NVARCHAR(1000) NULL,
    productURL        NVARCHAR(1000) NULL,
    stars             DECIMAL(3, 2)  NULL,
    reviews           BIGINT         NULL,
    price             DECIMAL(10, 2) NULL,
    listPrice         DECIMAL(10, 2) NULL,
    category_id       INT            NOT NULL,
    isBestSeller      BIT            NULL,
    boughtInLastMonth BIGINT         NULL
);
GO
-- Brings a pipeline's staged rows into the catalogue, all or none, and empties the stage.
CREATE PROCEDURE amazon.import_staged AS
BEGIN
    SET NOCOUNT ON;
    SET XACT_ABORT ON;
    BEGIN TRANSACTION;
    SELECT asin, title, imgUrl, productURL, stars, reviews, price, listPrice, category_id,
        isBestSeller, boughtInLastMonth
    INTO #stage FROM amazon.import_stage;
    EXEC amazon.apply_stage;
    DELETE FROM amazon.import_stage WHERE asin IN (SELECT asin FROM #stage);
    -- Within the transaction: not every server lets it be dropped in one of its own.
    DROP TABLE #stage;
    COMMIT;
END;
