//! The watched folder: a file put there is imported.
//!
//! A file may still be growing when it is first seen. It counts as uploaded when two looks,
//! a second apart, find it unchanged; or at once when it was renamed into place, which is
//! how careful programs hand over a finished file. The system tells of renames where it
//! can; where it cannot (some network folders), the second look decides.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use notify::event::{EventKind, ModifyKind, RenameMode};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use super::source::modified_nanos;

/// What a look sees of a file: another value if it may have been written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    bytes: u64,
    modified_nanos: u128,
}

/// What earlier looks saw.
#[derive(Debug, Default)]
pub struct Looks {
    files: HashMap<PathBuf, (Seen, bool)>,
}

impl Looks {
    /// Takes a look's result and gives the files that count as uploaded since, by name.
    /// Each state of a file is given once.
    pub fn look(
        &mut self,
        now: HashMap<PathBuf, Seen>,
        renamed: &HashSet<PathBuf>,
    ) -> Vec<PathBuf> {
        let mut uploaded = Vec::new();
        let mut files = HashMap::new();
        for (path, seen) in now {
            let before = self.files.get(&path);
            let is_same = before.is_some_and(|(earlier, _)| *earlier == seen);
            let was_given = is_same && before.is_some_and(|(_, given)| *given);
            let is_uploaded = was_given || is_same || renamed.contains(&path);
            if is_uploaded && !was_given {
                uploaded.push(path.clone());
            }
            files.insert(path, (seen, is_uploaded));
        }
        self.files = files;
        uploaded.sort();
        uploaded
    }

    /// Lets the next look give a file again.
    pub fn give_again(&mut self, path: &Path) {
        if let Some((_, given)) = self.files.get_mut(path) {
            *given = false;
        }
    }
}

/// The folder, and the renames that the system has told of.
pub struct WatchedFolder {
    path: PathBuf,
    looks: Looks,
    renamed: Arc<Mutex<HashSet<PathBuf>>>,
    _watcher: Option<RecommendedWatcher>,
}

impl WatchedFolder {
    /// Begins to watch.
    pub fn new(path: &Path) -> Self {
        // The system tells of absolute paths, whatever it was asked for.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let renamed = Arc::<Mutex<HashSet<PathBuf>>>::default();
        let watcher = renames_of(&path, Arc::clone(&renamed))
            .inspect_err(|e| tracing::info!("renames are not told of here, looks decide: {e}"))
            .ok();
        Self { path, looks: Looks::default(), renamed, _watcher: watcher }
    }

    /// Lets the next look give a file again.
    pub fn give_again(&mut self, path: &Path) {
        self.looks.give_again(path);
    }

    /// Looks once, and gives what has been uploaded since the last look.
    pub fn look(&mut self) -> io::Result<Vec<PathBuf>> {
        // Taken before the look: a rename in between is then part of the next one.
        let renamed = std::mem::take(&mut *lock(&self.renamed));
        let now = files_in(&self.path)?;
        Ok(self.looks.look(now, &renamed))
    }
}

fn renames_of(
    path: &Path,
    renamed: Arc<Mutex<HashSet<PathBuf>>>,
) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        let (EventKind::Modify(ModifyKind::Name(mode)), Some(target)) =
            (event.kind, event.paths.last())
        else {
            return;
        };
        if matches!(mode, RenameMode::To | RenameMode::Both) {
            lock(&renamed).insert(target.clone());
        }
    })?;
    watcher.watch(path, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

fn lock(renamed: &Mutex<HashSet<PathBuf>>) -> std::sync::MutexGuard<'_, HashSet<PathBuf>> {
    renamed.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The files of the folder itself; names that begin with a dot belong to other programs.
fn files_in(path: &Path) -> io::Result<HashMap<PathBuf, Seen>> {
    let mut files = HashMap::new();
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        // Gone since, or not ours to see: the next look tells.
        let Ok(metadata) = std::fs::metadata(entry.path()) else {
            continue;
        };
        if metadata.is_file() {
            let seen = Seen { bytes: metadata.len(), modified_nanos: modified_nanos(&metadata) };
            files.insert(entry.path(), seen);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, u64)]) -> HashMap<PathBuf, Seen> {
        let seen = |bytes| Seen { bytes, modified_nanos: 1 };
        files.iter().map(|(name, bytes)| (PathBuf::from(name), seen(*bytes))).collect()
    }

    fn look(looks: &mut Looks, files: &[(&str, u64)]) -> Vec<String> {
        let uploaded = looks.look(folder(files), &HashSet::new());
        uploaded.iter().map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn a_file_is_given_once_when_two_looks_agree() {
        let mut looks = Looks::default();
        assert!(look(&mut looks, &[("a", 1)]).is_empty());
        assert!(look(&mut looks, &[("a", 2), ("b", 1)]).is_empty(), "it has grown");
        assert_eq!(look(&mut looks, &[("a", 2), ("b", 1)]), ["a", "b"]);
        assert!(look(&mut looks, &[("a", 2), ("b", 1)]).is_empty());
        looks.give_again(Path::new("a"));
        assert_eq!(look(&mut looks, &[("a", 2), ("b", 1)]), ["a"]);
    }

    #[test]
    fn a_file_that_changes_again_is_given_again() {
        let mut looks = Looks::default();
        look(&mut looks, &[("a", 1)]);
        assert_eq!(look(&mut looks, &[("a", 1)]), ["a"]);
        assert!(look(&mut looks, &[("a", 3)]).is_empty());
        assert_eq!(look(&mut looks, &[("a", 3)]), ["a"]);
        assert!(look(&mut looks, &[]).is_empty());
        assert!(look(&mut looks, &[("a", 3)]).is_empty(), "a new file, not yet seen twice");
    }

    #[test]
    fn a_file_renamed_into_place_is_given_at_once() {
        let mut looks = Looks::default();
        let renamed = HashSet::from([PathBuf::from("a")]);
        assert_eq!(looks.look(folder(&[("a", 1), ("b", 1)]), &renamed), [PathBuf::from("a")]);
        assert_eq!(look(&mut looks, &[("a", 1), ("b", 1)]), ["b"]);
    }

    #[test]
    fn the_system_tells_of_renames() {
        let folder = tempfile::tempdir().unwrap();
        let imports = folder.path().join("imports");
        std::fs::create_dir(&imports).unwrap();
        let mut watched = WatchedFolder::new(&imports);
        std::fs::write(folder.path().join("x.csv"), "x").unwrap();
        std::fs::rename(folder.path().join("x.csv"), imports.join("x.csv")).unwrap();
        // The event comes from a thread of its own: wait for it, not for a time.
        while lock(&watched.renamed).is_empty() {
            std::thread::yield_now();
        }
        assert_eq!(watched.look().unwrap(), [imports.join("x.csv")]);
    }
}
