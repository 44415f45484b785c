-- Two batches of an import are applied beside each other, and told of one after the other.

-- Brings what is in the caller's #stage into the products: each asin at most once, columns
-- named as those of the products. Which optional columns count is told by @columns, a bit
-- each from the first: imgUrl, productURL, stars, reviews, price, listPrice, isBestSeller,
-- boughtInLastMonth; a stored value of the others is kept. @categories is a comma list of
-- categories to be made beside those of the staged rows. @behind names a lock that another
-- transaction may have, if any: rows are written beside it, and versions raised when it has
-- ended. Runs within the caller's transaction; answers with one row: replaced, categories_made.
ALTER PROCEDURE amazon.apply_stage
    @run BIGINT = NULL, @columns INT = 255, @categories NVARCHAR(MAX) = N'',
    @behind NVARCHAR(255) = N''
AS
BEGIN
    SET NOCOUNT ON;
    SET XACT_ABORT ON;
    DECLARE @replaced BIGINT = 0, @made INT = 0, @known INT = 0, @got INT = 0;
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

        -- Whoever raises holds the version of the whole catalogue to the end of its transaction.
        IF @behind <> N''
            EXEC @got = sp_getapplock @Resource = @behind, @LockMode = 'Exclusive',
                @LockOwner = 'Transaction', @LockTimeout = 30000;
        IF @got < 0
            THROW 50549, 'the batch before this one does not end', 1;

        EXEC amazon.raise_touched;
        EXEC sp_set_session_context N'vitrine.apply', 0;
    END TRY
    BEGIN CATCH
        EXEC sp_set_session_context N'vitrine.apply', 0;
        THROW;
    END CATCH;
    SELECT @replaced AS replaced, @made AS categories_made;
END;
