//! Files that commands write for the user.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::Context;
use tracing::warn;

use crate::exit::Rejection;

/// Writes a file; one that exists is overwritten only with `force`.
pub(super) fn write(path: &Path, text: &str, force: bool) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    match force {
        true => options.write(true).create(true).truncate(true),
        false => options.write(true).create_new(true),
    };
    let failed = || format!("cannot write {}", path.display());
    let mut file = match options.open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(Rejection::Exists(path.to_owned()).into());
        }
        opened => opened.with_context(failed)?,
    };
    file.write_all(text.as_bytes())
        .inspect_err(|_| {
            // The beginning of a file may be valid, and mean something else.
            if !force && let Err(error) = fs::remove_file(path) {
                warn!(%error, file = %path.display(), "the incomplete file cannot be removed");
            }
        })
        .with_context(failed)
}
