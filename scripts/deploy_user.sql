-- The app's own user, and its rights (README, Azure SQL as the store). May be run any number of
-- times. `identity` and `client_id` are those of the app's identity.
--
-- FROM EXTERNAL PROVIDER would have the server look the name up in the directory, for which an
-- application that deploys needs a right that it seldom has. A user with the identity's id needs
-- no look-up, and cannot become another one's by its name.
SET NOCOUNT, XACT_ABORT ON;

DECLARE @name sysname = N'$(identity)';
DECLARE @id varbinary(16) = CONVERT(varbinary(16), CONVERT(uniqueidentifier, '$(client_id)'));
DECLARE @do nvarchar(max);

IF SCHEMA_ID(N'amazon') IS NULL
    THROW 50000, 'there is no schema amazon: run handler migrate first', 1;

BEGIN TRANSACTION;

-- An identity that was destroyed and made again has the same name and another id.
IF EXISTS (SELECT 1 FROM sys.database_principals WHERE name = @name AND sid <> @id)
BEGIN
    SET @do = N'DROP USER ' + QUOTENAME(@name);
    EXEC (@do);
END;

IF NOT EXISTS (SELECT 1 FROM sys.database_principals WHERE name = @name)
BEGIN
    SET @do = N'CREATE USER ' + QUOTENAME(@name)
        + N' WITH SID = ' + CONVERT(nvarchar(34), @id, 1) + N', TYPE = E';
    EXEC (@do);
END;

SET @do = N'GRANT SELECT, INSERT, UPDATE, DELETE, EXECUTE ON SCHEMA::amazon TO ' + QUOTENAME(@name);
EXEC (@do);

COMMIT;

SELECT permission_name + N' on schema ' + SCHEMA_NAME(major_id) + N' to ' + @name
FROM sys.database_permissions
WHERE grantee_principal_id = DATABASE_PRINCIPAL_ID(@name) AND class = 3
ORDER BY permission_name;
