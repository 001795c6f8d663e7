//! Copies of a data folder, of a server that is stopped or of one that continues to write.

use std::io::ErrorKind;
use std::path::Path;

use crate::error::{Result, file_error};

/// The folder of replication slots, which belong to one server.
pub(super) const SLOTS: &str = "pg_replslot";

/// The folder of the WAL.
pub(super) const LOG: &str = "pg_wal";

/// Read by the server before everything else: copied last, so that nothing in the copy is older than what it promises.
const CONTROL: &str = "pg_control";

/// Copies a data folder. The folders named are made, and what is in them is left out.
pub(super) fn copy_data(from: &Path, to: &Path, left_empty: &[&str]) -> Result<()> {
    copy_tree(from, to, left_empty)?;
    let control = Path::new("global").join(CONTROL);
    copy_file(&from.join(&control), &to.join(&control))
}

fn copy_tree(from: &Path, to: &Path, left_empty: &[&str]) -> Result<()> {
    std::fs::create_dir_all(to).map_err(file_error("make", to))?;
    for entry in std::fs::read_dir(from).map_err(file_error("read", from))? {
        let entry = entry.map_err(file_error("read", from))?;
        let (name, source, target) = (entry.file_name(), entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            if left_empty.iter().any(|folder| name == *folder) {
                std::fs::create_dir_all(&target).map_err(file_error("make", &target))?;
                copy_mode(&source, &target)?;
            } else {
                copy_tree(&source, &target, left_empty)?;
            }
        } else if name != "postmaster.pid" && name != CONTROL {
            copy_file(&source, &target)?;
        }
    }
    copy_mode(from, to)
}

/// A server that runs removes files at any moment; its log brings back or takes away what a copy lacks.
fn copy_file(source: &Path, target: &Path) -> Result<()> {
    match std::fs::copy(source, target) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(file_error("copy", source)(error)),
    }
}

fn copy_mode(from: &Path, to: &Path) -> Result<()> {
    let mode = std::fs::metadata(from)
        .map_err(file_error("look at", from))?
        .permissions();
    std::fs::set_permissions(to, mode).map_err(file_error("set the mode of", to))
}
