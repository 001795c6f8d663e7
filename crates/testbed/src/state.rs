//! Temporary folders for server state, removed with the testbed, and those of killed testbeds removed at the next start.

use std::fs::File;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::{Result, file_error};

const PREFIX: &str = "walcast-testbed-";
const LOCK: &str = ".alive";

/// One server's folder. A lock on a file in it says that its owner lives.
#[derive(Debug)]
pub(crate) struct StateFolder {
    folder: TempDir,
    _alive: File,
}

impl StateFolder {
    /// Makes a folder named after the server, and removes those whose owner is gone.
    pub(crate) fn create(server: &str) -> Result<StateFolder> {
        let parent = std::env::temp_dir();
        remove_orphans(&parent);
        let folder = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{server}-"))
            .tempdir()
            .map_err(file_error("create a folder in", &parent))?;
        // Locked before it gets its name: no process sees the lock file of a living folder unlocked.
        let unnamed = folder.path().join(".starting");
        let alive = File::create(&unnamed).map_err(file_error("create", &unnamed))?;
        alive.lock().map_err(file_error("lock", &unnamed))?;
        std::fs::rename(&unnamed, folder.path().join(LOCK)).map_err(file_error("rename", &unnamed))?;
        Ok(StateFolder {
            folder,
            _alive: alive,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A new folder inside this one.
    pub(crate) fn subfolder(&self, name: &str) -> Result<PathBuf> {
        let path = self.join(name);
        std::fs::create_dir(&path).map_err(file_error("create", &path))?;
        Ok(path)
    }
}

/// Best effort: a folder that cannot be removed (another user's) is left for its owner.
fn remove_orphans(parent: &Path) {
    let Ok(entries) = std::fs::read_dir(parent) else {
        return;
    };
    for entry in entries.flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        // A folder without the lock file is just being made by another testbed.
        let Ok(lock) = File::open(entry.path().join(LOCK)) else {
            continue;
        };
        if ours && lock.try_lock().is_ok() && std::fs::remove_dir_all(entry.path()).is_err() {
            tracing::debug!(folder = %entry.path().display(), "left by a killed testbed and not removable");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_living_folder_is_kept_and_an_orphan_removed() {
        let parent = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let folder = parent.path().join(format!("{PREFIX}{name}"));
            std::fs::create_dir(&folder).unwrap();
            File::create(folder.join(LOCK)).unwrap()
        };
        let alive = make("alive");
        alive.lock().unwrap();
        drop(make("orphan"));
        remove_orphans(parent.path());
        assert!(parent.path().join("walcast-testbed-alive").exists());
        assert!(!parent.path().join("walcast-testbed-orphan").exists());
    }
}
