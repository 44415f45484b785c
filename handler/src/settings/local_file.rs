//! `local.settings.json`, the file of a developer's settings.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::Path;

use super::{BadSetting, bad};

/// Its `Values`, which `func start` would set; none without the file.
pub fn values(path: &Path) -> Result<HashMap<String, String>, BadSetting> {
    #[derive(serde::Deserialize)]
    struct Local {
        #[serde(rename = "Values", default)]
        values: HashMap<String, String>,
    }
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(HashMap::new()),
        Err(e) => return Err(bad("local.settings.json", format!("cannot be read: {e}"))),
    };
    serde_json::from_slice(&text).map(|local: Local| local.values).map_err(|e| {
        // Not what the parser says: it quotes what it met, which may be a secret.
        let place = format!("line {}, column {}", e.line(), e.column());
        bad("local.settings.json", format!("must be JSON with texts in `Values` ({place})"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_settings_that_is_none_is_not_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("local.settings.json");
        for text in [
            r#"{"Values": {"SQL_PASSWORD": 12345678901}}"#,
            r#"{"Values": "hunter2-hunter2"}"#,
            r#"{"Values": {"SQL_PASSWORD": hunter2-hunter2}}"#,
        ] {
            std::fs::write(&file, text).unwrap();
            let refused = values(&file).unwrap_err().to_string();
            assert!(refused.starts_with("local.settings.json: ") && refused.contains("line 1"));
            assert!(!refused.contains("hunter2") && !refused.contains("12345"), "{refused}");
        }
    }
}
