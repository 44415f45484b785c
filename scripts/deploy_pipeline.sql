-- The bulk path's own user: it stages rows and has them imported, and reads nothing but its stage.
-- May be run any number of times. `factory` is the name of the Data Factory, which is the name of
-- its identity as well; the server looks it up in the directory.
SET NOCOUNT, XACT_ABORT ON;

DECLARE @name sysname = N'$(factory)';
DECLARE @do nvarchar(max);

IF NOT EXISTS (SELECT 1 FROM sys.database_principals WHERE name = @name)
BEGIN
    SET @do = N'CREATE USER ' + QUOTENAME(@name) + N' FROM EXTERNAL PROVIDER';
    EXEC (@do);
END;

SET @do = N'GRANT SELECT, INSERT ON amazon.import_stage TO ' + QUOTENAME(@name) + N';
    GRANT EXECUTE ON amazon.import_staged TO ' + QUOTENAME(@name);
EXEC (@do);
