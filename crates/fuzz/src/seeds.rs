//! Inputs to begin with, made of what is in the repository already: captured logs, examples, documents.

mod captures;
mod conditions;
mod configurations;
mod copied_rows;
mod logs;
mod rows;

use std::io;
use std::path::{Path, PathBuf};

use crate::corpus;

/// An input with a name that a file can have.
pub type Seed = (String, Vec<u8>);

/// The seeds of a target. What was captured for it, and for it alone, is in its corpus.
///
/// # Errors
/// What they are made of cannot be read.
pub fn of(target: &str) -> io::Result<Vec<Seed>> {
    let seeds = match target {
        "decoder" => logs::messages()?,
        "server" => logs::streams()?,
        "copied_row" => copied_rows::seeds()?,
        "row" => rows::seeds()?,
        "condition" => conditions::seeds(),
        "configuration" => configurations::seeds()?,
        unknown => return Err(io::Error::other(format!("no target is called {unknown}"))),
    };
    Ok(seeds)
}

/// A file of the repository.
fn repository(path: &str) -> PathBuf {
    corpus::package().join("../..").join(path)
}

/// The files of a folder whose names end so, in the order of their names.
fn files(folder: &str, end: &str) -> io::Result<Vec<PathBuf>> {
    let mut files = corpus::files(&repository(folder))?;
    files.retain(|file| file.to_string_lossy().ends_with(end));
    if files.is_empty() {
        return Err(io::Error::other(format!("{folder} has no {end}")));
    }
    Ok(files)
}

/// A file's name without its end.
fn stem(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}
