//! What a target does without a fuzzer.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use crate::{Check, seeds};

/// Does what the command line says: `seeds FOLDER` writes the target's seeds there, any number of files are handed to the
/// check, which panics when something does not hold.
#[must_use]
pub fn run(target: &str, check: Check) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        [] => Err(io::Error::other("give files, or: seeds FOLDER")),
        ["seeds", folder] => write_seeds(target, Path::new(folder)),
        ref files => files.iter().try_for_each(|file| replay(Path::new(file), check)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {target}: {error}");
            ExitCode::from(2)
        }
    }
}

fn replay(file: &Path, check: Check) -> io::Result<()> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", file.display()));
    check(&std::fs::read(file).map_err(named)?);
    eprintln!("{}: holds", file.display());
    Ok(())
}

fn write_seeds(target: &str, folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for (name, seed) in seeds::of(target)? {
        std::fs::write(folder.join(name), seed)?;
    }
    Ok(())
}
