//! The key that a process makes for itself where nobody gives it one.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use secrecy::SecretString;
use uuid::Uuid;

/// Bytes of the key, as hexadecimal digits twice as many.
const BYTES: usize = 32;

/// The key in this file; made if there is none. Several processes may do so at once, and all
/// get the same one.
pub fn load_or_make(path: &Path) -> io::Result<SecretString> {
    if let Some(key) = load(path)? {
        return Ok(key);
    }
    let beside = path.with_extension(format!("{}.part", Uuid::new_v4()));
    write_private(&beside, &new_key())?;
    // A link is made whole or not at all, and not over one that is there.
    let linked = std::fs::hard_link(&beside, path);
    std::fs::remove_file(&beside)?;
    match linked {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
        _ => {}
    }
    load(path)?.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the key has vanished"))
}

/// A key that nobody keeps.
pub fn new() -> SecretString {
    SecretString::from(new_key())
}

fn load(path: &Path) -> io::Result<Option<SecretString>> {
    match std::fs::read_to_string(path) {
        Ok(key) if key.trim().len() >= BYTES * 2 => Ok(Some(SecretString::from(key.trim()))),
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the key is too short: remove the file, and everybody signs in anew",
        )),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

fn new_key() -> String {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    bytes.iter().fold(String::new(), |mut key, byte| {
        // Writing into a String cannot fail.
        let _ = write!(key, "{byte:02x}");
        key
    })
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_whoever_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwt.key");
        let keys: Vec<_> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8).map(|_| scope.spawn(|| load_or_make(&path))).collect();
            makers.into_iter().map(|maker| maker.join().unwrap().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| key.expose_secret() == keys[0].expose_secret()));
        assert_eq!(keys[0].expose_secret().len(), 64);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_key_that_was_cut_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwt.key");
        std::fs::write(&path, "short").unwrap();
        assert!(load_or_make(&path).is_err());
    }
}
