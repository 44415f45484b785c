//! Packages on disk: the real one, and small ones for a test.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::process::binary;

/// A package folder of the test's own.
#[derive(Debug)]
pub struct PackageFolder {
    dir: TempDir,
}

impl PackageFolder {
    pub fn new(host_json: &Value) -> Self {
        let folder = Self { dir: tempfile::tempdir().unwrap() };
        std::fs::write(folder.path().join("host.json"), host_json.to_string()).unwrap();
        folder
    }

    /// What `scripts/package` lays out, of the binary under test.
    pub fn of_vitrine() -> Self {
        let repository = repository();
        let host_json = std::fs::read(repository.join("host.json")).unwrap();
        let mut folder = Self::new(&serde_json::from_slice(&host_json).unwrap())
            .with_executable("handler", &binary());
        for entry in std::fs::read_dir(repository.join("functions")).unwrap() {
            let function = entry.unwrap();
            let json = std::fs::read_to_string(function.path().join("function.json")).unwrap();
            folder = folder.with_file(function.file_name().to_str().unwrap(), &json);
        }
        folder
    }

    pub fn with_function(self, name: &str, function_json: &Value) -> Self {
        self.with_file(name, &function_json.to_string())
    }

    pub fn with_executable(self, name: &str, binary: &Path) -> Self {
        std::os::unix::fs::symlink(binary, self.path().join(name)).unwrap();
        self
    }

    fn with_file(self, name: &str, function_json: &str) -> Self {
        let folder = self.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("function.json"), function_json).unwrap();
        self
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }
}

pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
