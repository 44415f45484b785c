-- Users, their sessions, the passwords of local accounts, and what was answered to requests
-- that carried an Idempotency-Key. `email_key` is the address as it is compared.

CREATE TABLE amazon.users (
    id         VARCHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL
               CONSTRAINT pk_users PRIMARY KEY,
    email      NVARCHAR(254) NOT NULL,
    email_key  NVARCHAR(254) COLLATE Latin1_General_100_BIN2 NOT NULL
               CONSTRAINT uq_users_email UNIQUE,
    firstName  NVARCHAR(100) NOT NULL,
    lastName   NVARCHAR(100) NOT NULL,
    active     BIT           NOT NULL,
    admin      BIT           NOT NULL,
    -- NULL while the sign-up is pending.
    account    NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NULL,
    was_listed BIT           NOT NULL CONSTRAINT df_users_listed DEFAULT 0,
    -- Raised when whoever was let in before must prove themselves anew: every token carries
    -- the epoch of its user and counts only in that one.
    epoch      BIGINT        NOT NULL CONSTRAINT df_users_epoch DEFAULT 0,
    created_at BIGINT        NOT NULL
);
CREATE INDEX users_account ON amazon.users (account);

CREATE TABLE amazon.sessions (
    token      BINARY(32)    NOT NULL CONSTRAINT pk_sessions PRIMARY KEY,
    family     VARCHAR(36)   NOT NULL,
    user_id    VARCHAR(36)   NOT NULL,
    expires_at BIGINT        NOT NULL,
    -- When the user signed in, whatever was refreshed since.
    began_at   BIGINT        NOT NULL,
    -- When it was exchanged for the next one. Kept, so that a reuse is noticed.
    used_at    BIGINT        NULL
);
CREATE INDEX sessions_family ON amazon.sessions (family);
CREATE INDEX sessions_user ON amazon.sessions (user_id);
CREATE INDEX sessions_end ON amazon.sessions (expires_at);

CREATE TABLE amazon.passwords (
    user_id   VARCHAR(36)   NOT NULL CONSTRAINT pk_passwords PRIMARY KEY,
    email_key NVARCHAR(254) COLLATE Latin1_General_100_BIN2 NOT NULL
              CONSTRAINT uq_passwords_email UNIQUE,
    hash      NVARCHAR(200) NOT NULL
);

-- Written in the transaction that does what was asked for, so there is no row without its
-- effect. The digest is the SHA-256 of the request's body.
CREATE TABLE amazon.idempotency (
    user_id    VARCHAR(36)  NOT NULL,
    name       VARCHAR(255) COLLATE Latin1_General_100_BIN2 NOT NULL,
    digest     BINARY(32)   NOT NULL,
    asin       VARCHAR(20)  NOT NULL,
    created_at BIGINT       NOT NULL,
    CONSTRAINT pk_idempotency PRIMARY KEY (user_id, name)
);
CREATE INDEX idempotency_age ON amazon.idempotency (created_at);
GO
-- Registers a user, pending until its account is there. Answers with one row: made, 1 or 0
-- where the address is taken. The first five parameters are those of the procedure of this
-- name that the service's predecessor had.
CREATE PROCEDURE amazon.users_insert
    @email NVARCHAR(254), @firstName NVARCHAR(100), @lastName NVARCHAR(100),
    @active BIT = 1, @admin BIT = 0,
    @id VARCHAR(36) = NULL, @email_key NVARCHAR(254) = NULL, @was_listed BIT = 0,
    @now BIGINT = NULL
AS
BEGIN
    SET NOCOUNT ON;
    INSERT INTO amazon.users (id, email, email_key, firstName, lastName, active, admin, account,
        was_listed, created_at)
    SELECT COALESCE(@id, LOWER(CAST(NEWID() AS VARCHAR(36)))), @email,
        COALESCE(@email_key, LOWER(@email)), @firstName, @lastName, @active, @admin, NULL,
        @was_listed, COALESCE(@now, DATEDIFF_BIG(MICROSECOND, '1970-01-01', SYSUTCDATETIME()))
    WHERE NOT EXISTS (SELECT 1 FROM amazon.users
                      WHERE email_key = COALESCE(@email_key, LOWER(@email)));
    SELECT CAST(@@ROWCOUNT AS INT) AS made;
END;
