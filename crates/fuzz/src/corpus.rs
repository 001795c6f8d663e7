//! The inputs that are kept.

use std::io;
use std::path::{Path, PathBuf};

/// Where this package is.
#[must_use]
pub fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where a target's inputs are.
#[must_use]
pub fn directory(target: &str) -> PathBuf {
    package().join("corpus").join(target)
}

/// A target's inputs with the files they are in, in the order of their names.
///
/// # Errors
/// They cannot be read.
pub fn inputs(target: &str) -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let read = |file: PathBuf| std::fs::read(&file).map(|data| (file, data));
    files(&directory(target))?.into_iter().map(read).collect()
}

/// What a folder holds, in the order of the names.
pub(crate) fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", folder.display()));
    let entries = std::fs::read_dir(folder).map_err(named)?;
    let mut files = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}
