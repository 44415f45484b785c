//! The data folder: where its parts lie, and whether somebody serves from it.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use crate::store::StoreError;

/// The folder of the embedded parts.
#[derive(Debug, Clone)]
pub struct DataFolder {
    path: PathBuf,
}

/// Held as long as a process serves from the folder.
#[derive(Debug)]
pub struct ServingLock {
    _file: File,
}

impl DataFolder {
    /// Makes the folder where it is missing; only its owner may look into it, since the
    /// database will hold users.
    pub fn make(path: &Path) -> Result<Self, StoreError> {
        let folder = Self::at(path);
        let refuse =
            |what: &Path, e: std::io::Error| StoreError::Folder(format!("{}: {e}", what.display()));
        let is_new = !path.exists();
        for part in [path, &folder.imports(), &folder.rejects()] {
            fs::create_dir_all(part).map_err(|e| refuse(part, e))?;
        }
        #[cfg(unix)]
        if is_new {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(path, fs::Permissions::from_mode(0o700))
                .map_err(|e| refuse(path, e))?;
        }
        Ok(folder)
    }

    /// Names the folder without touching it.
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.path.join("vitrine.db")
    }

    /// The key that signs tokens, where nobody gives one.
    pub fn token_key(&self) -> PathBuf {
        self.path.join("jwt.key")
    }

    /// The watched folder.
    pub fn imports(&self) -> PathBuf {
        self.path.join("blobs").join("imports")
    }

    /// Where refused rows are written.
    pub fn rejects(&self) -> PathBuf {
        self.path.join("blobs").join("rejects")
    }

    /// Says that this process serves from the folder, for as long as the lock is kept.
    /// Several may do so at once.
    pub fn lock_for_serving(&self) -> Result<ServingLock, StoreError> {
        let file = self.lock_file()?;
        file.lock_shared().map_err(|e| self.refuse(&e))?;
        Ok(ServingLock { _file: file })
    }

    /// Whether any process serves from the folder in this moment, this one included.
    pub fn is_served(&self) -> Result<bool, StoreError> {
        match self.lock_file()?.try_lock() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(e)) => Err(self.refuse(&e)),
        }
    }

    fn lock_file(&self) -> Result<File, StoreError> {
        let path = self.path.join("serving.lock");
        File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .map_err(|e| self.refuse(&e))
    }

    fn refuse(&self, e: &std::io::Error) -> StoreError {
        StoreError::Folder(format!("{}: {e}", self.path.display()))
    }
}
