//! The package cache: each package is there complete or not at all, also when several testbeds fetch at once.

use std::fs::{File, Permissions, create_dir_all};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::account::Account;
use crate::error::{Error, Result, file_error};

/// Where packages are kept between runs.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    root: PathBuf,
}

impl Cache {
    /// `$WALCAST_TESTBED_CACHE`; else under root a folder that `nobody` can read; else the user's cache folder.
    pub(crate) fn open() -> Result<Cache> {
        let root = match std::env::var_os("WALCAST_TESTBED_CACHE") {
            Some(path) => PathBuf::from(path),
            None if Account::for_servers().is_some() => PathBuf::from("/var/tmp/walcast-testbed-cache"),
            None => user_cache_folder().join("walcast-testbed"),
        };
        create_dir_all(&root).map_err(file_error("create", &root))?;
        let root = root.canonicalize().map_err(file_error("resolve", &root))?;
        let owner = root.metadata().map_err(file_error("inspect", &root))?.uid();
        if owner != rustix::process::geteuid().as_raw() {
            return Err(Error::CacheNotOurs { path: root });
        }
        if Account::for_servers().is_some() {
            make_readable(&root, false)?;
            check_reachable(&root)?;
        }
        Ok(Cache { root })
    }

    /// The folder of a package, made by `install` in an empty folder if it is not there yet.
    ///
    /// `install` runs in one process at a time; its folder gets its final name only when it succeeds.
    pub(crate) fn package(&self, name: &str, install: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let target = self.root.join(name);
        if target.exists() {
            return Ok(target);
        }
        let lock_path = self.root.join(format!(".{name}.lock"));
        let lock = File::create(&lock_path).map_err(file_error("create", &lock_path))?;
        lock.lock().map_err(file_error("lock", &lock_path))?;
        if target.exists() {
            return Ok(target);
        }
        let partial = tempfile::Builder::new()
            .prefix(&format!(".{name}-partial-"))
            .tempdir_in(&self.root)
            .map_err(file_error("create a folder in", &self.root))?;
        install(partial.path())?;
        make_readable(partial.path(), true)?;
        let partial = partial.keep();
        std::fs::rename(&partial, &target).map_err(file_error("rename", &partial))?;
        Ok(target)
    }
}

fn user_cache_folder() -> PathBuf {
    if let Some(folder) = std::env::var_os("XDG_CACHE_HOME") {
        return PathBuf::from(folder);
    }
    let home = std::env::var_os("HOME").map_or_else(std::env::temp_dir, PathBuf::from);
    home.join(".cache")
}

/// Lets everybody read what a strict umask closed.
fn make_readable(path: &Path, recursive: bool) -> Result<()> {
    let metadata = path.symlink_metadata().map_err(file_error("inspect", path))?;
    if metadata.is_symlink() {
        return Ok(());
    }
    let mode = metadata.permissions().mode();
    let for_all = if metadata.is_dir() || mode & 0o100 != 0 {
        0o555
    } else {
        0o444
    };
    if mode & for_all != for_all {
        std::fs::set_permissions(path, Permissions::from_mode(mode | for_all))
            .map_err(file_error("set the mode of", path))?;
    }
    if recursive && metadata.is_dir() {
        for entry in std::fs::read_dir(path).map_err(file_error("list", path))? {
            make_readable(&entry.map_err(file_error("list", path))?.path(), true)?;
        }
    }
    Ok(())
}

fn check_reachable(root: &Path) -> Result<()> {
    for folder in root.ancestors() {
        let mode = folder
            .metadata()
            .map_err(file_error("inspect", folder))?
            .permissions()
            .mode();
        if mode & 0o001 == 0 {
            return Err(Error::CacheNotReadable {
                path: folder.to_path_buf(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(root: &Path) -> Cache {
        Cache {
            root: root.to_path_buf(),
        }
    }

    #[test]
    fn a_failed_install_leaves_nothing_and_a_good_one_runs_once() {
        let root = tempfile::tempdir().unwrap();
        let cache = cache(root.path());
        let failed = cache.package("p", |folder| {
            std::fs::write(folder.join("half"), "x").unwrap();
            Err(Error::MissingTool {
                tool: "mvn",
                install: "maven",
            })
        });
        assert!(failed.is_err());
        assert!(!root.path().join("p").exists());

        let installed = cache.package("p", |folder| {
            std::fs::write(folder.join("whole"), "x").unwrap();
            Ok(())
        });
        assert!(installed.unwrap().join("whole").exists());
        cache.package("p", |_| panic!("installed twice")).unwrap();
    }

    #[test]
    fn a_strict_mode_is_opened_for_reading() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("program");
        std::fs::write(&file, "x").unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(0o700)).unwrap();
        make_readable(root.path(), true).unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o755);
        assert!(check_reachable(root.path()).is_ok());
    }
}
