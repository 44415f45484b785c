//! Packages on disk.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

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
