//! Packages on disk: the real one, and small ones for a test.

use std::path::{Path, PathBuf};
use std::process::Command;

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
        Self::with_handler(&binary())
    }

    /// The same of another executable.
    pub fn with_handler(handler: &Path) -> Self {
        let folder = Self { dir: tempfile::tempdir().unwrap() };
        pack(handler, folder.path());
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

/// Runs `scripts/package` into a folder.
pub fn pack(handler: &Path, folder: &Path) {
    let mut script = Command::new(repository().join("scripts/package"));
    let packed = script.arg("--binary").arg(handler).arg(folder).output().unwrap();
    assert!(packed.status.success(), "{}", String::from_utf8_lossy(&packed.stderr));
}

pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
