//! The names of secrets. Each has two spellings: `SQL_PASSWORD` in the environment,
//! `sql-password` in a vault, whose names have no underscores.

/// Every secret, as the environment spells it.
pub const NAMES: [&str; 12] = [
    "SQL_SERVER",
    "SQL_DATABASE",
    "SQL_USERNAME",
    "SQL_PASSWORD",
    "SQL_CONNECTION_STRING",
    "REDIS_CONNECTION_STRING",
    "FIREBASE_PROJECT_ID",
    "FIREBASE_API_KEY",
    "FIREBASE_SECRET",
    "JWT_SECRET_KEY",
    "JWT_SECRET_KEY_PREVIOUS",
    "IMPORT_STORAGE_SAS",
];

/// Those that a database is reached by.
pub(super) const OF_SQL: &[&str] = NAMES.as_slice().split_at(5).0;
/// Those that the shared cache is reached by.
pub(super) const OF_REDIS: &[&str] = NAMES.as_slice().split_at(5).1.split_at(1).0;
/// Those that people are known by.
pub(super) const OF_PEOPLE: &[&str] = NAMES.as_slice().split_at(6).1.split_at(5).0;

/// The same name as a vault spells it.
pub fn in_vault(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_two_spellings() {
        assert_eq!(in_vault("SQL_PASSWORD"), "sql-password");
        assert_eq!(in_vault("JWT_SECRET_KEY_PREVIOUS"), "jwt-secret-key-previous");
        let begins = |names: &[&str], by: &[&str]| {
            names.iter().all(|name| by.iter().any(|begin| name.starts_with(begin)))
        };
        assert!(begins(OF_SQL, &["SQL_"]) && begins(OF_REDIS, &["REDIS_"]));
        assert!(begins(OF_PEOPLE, &["FIREBASE_", "JWT_"]));
        assert_eq!(OF_SQL.len() + OF_REDIS.len() + OF_PEOPLE.len() + 1, NAMES.len());
        for name in NAMES.map(in_vault) {
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{name}");
        }
    }
}
