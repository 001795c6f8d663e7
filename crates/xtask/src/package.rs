//! `cargo xtask package`: the Debian package, from an optimized build, with manual pages and shell completions.
//!
//! `[package.metadata.deb]` in `crates/walcast/Cargo.toml` lists the files. The gate does not build the package, which takes
//! minutes; it checks that the files exist.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::tool;

const MANIFEST: &str = "crates/walcast/Cargo.toml";
/// Folder of the package from which the paths of its files start.
const FOLDER: &str = "crates/walcast";
/// Folder of the files that a build makes.
const MADE: &str = "target/package";
const BINARY: &str = "target/release/walcast";
/// Version of the packager.
const DEB_VERSION: &str = "3.8.0";

/// Limit of the stripped binary, which is most of the package.
const BINARY_BYTES_MAX: u64 = 30 << 20;

pub(crate) fn run() -> Result<()> {
    let built = Command::new("cargo")
        .args(["build", "--release", "--locked", "--package", "walcast"])
        .status()
        .context("cannot start cargo")?;
    ensure!(built.success(), "cargo build --release ended with {built}");
    let manuals = Path::new(MADE).join("man");
    fs::create_dir_all(&manuals).with_context(|| format!("cannot create {}", manuals.display()))?;
    output(Command::new(BINARY).arg("man").arg(&manuals))?;
    for (shell, file) in [
        ("bash", "walcast.bash"),
        ("zsh", "_walcast"),
        ("fish", "walcast.fish"),
    ] {
        let script = output(Command::new(BINARY).args(["completions", shell]))?;
        let path = Path::new(MADE).join(file);
        fs::write(&path, script).with_context(|| format!("cannot write {}", path.display()))?;
    }
    check_size()?;
    let packager = tool::installed("cargo-deb", DEB_VERSION)?;
    let packaged = Command::new(packager)
        .args(["--package", "walcast", "--no-build", "--locked", "--output", MADE])
        .status()
        .context("cannot start cargo-deb")?;
    ensure!(packaged.success(), "cargo deb ended with {packaged}");
    eprintln!("the package is in {MADE}");
    Ok(())
}

/// Size of the binary as it is packaged, without the symbols for debuggers.
fn check_size() -> Result<()> {
    let stripped = Path::new(MADE).join("walcast.stripped");
    output(Command::new("strip").arg("-o").arg(&stripped).arg(BINARY))?;
    let size = fs::metadata(&stripped)
        .with_context(|| format!("cannot read {}", stripped.display()))?
        .len();
    fs::remove_file(&stripped).with_context(|| format!("cannot remove {}", stripped.display()))?;
    eprintln!(
        "{BINARY}: {:.1} MiB without symbols",
        size as f64 / f64::from(1 << 20)
    );
    ensure!(
        size <= BINARY_BYTES_MAX,
        "{BINARY} has {size} bytes without symbols; the limit is {BINARY_BYTES_MAX}"
    );
    Ok(())
}

/// What a program printed.
fn output(command: &mut Command) -> Result<Vec<u8>> {
    let ended = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {command:?}"))?;
    ensure!(ended.status.success(), "{command:?} ended with {}", ended.status);
    Ok(ended.stdout)
}

/// Files of the package that do not exist. Files that a build makes are not looked for.
pub(crate) fn missing_files() -> Result<Vec<String>> {
    let manifest = fs::read_to_string(MANIFEST).with_context(|| format!("cannot read {MANIFEST}"))?;
    let files = files_of(&manifest);
    ensure!(
        !files.is_empty(),
        "{MANIFEST} lists no files of the Debian package"
    );
    let kept = files.iter().filter(|file| !file.contains("target/"));
    let missing = kept.filter(|file| !exists(file));
    Ok(missing
        .map(|file| format!("{MANIFEST}: the package lacks {file}"))
        .collect())
}

/// Paths of the files of the package, from its folder.
fn files_of(manifest: &str) -> Vec<&str> {
    let assets = manifest
        .lines()
        .skip_while(|line| *line != "assets = [")
        .skip(1)
        .take_while(|line| *line != "]");
    assets
        .filter_map(|line| line.trim().strip_prefix("[\"")?.split('"').next())
        .collect()
}

/// Whether a file exists, or a file of this kind (`*.md`).
fn exists(file: &str) -> bool {
    let path = Path::new(FOLDER).join(file);
    match file.rsplit_once("/*.") {
        None => path.is_file(),
        Some((folder, kind)) => {
            let entries = fs::read_dir(Path::new(FOLDER).join(folder));
            let mut paths = entries.into_iter().flatten().flatten().map(|entry| entry.path());
            paths.any(|path: PathBuf| path.extension().is_some_and(|extension| extension == kind))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_from_the_manifest() {
        let manifest = "[package]\nname = \"walcast\"\nassets = [\n    [\"target/release/walcast\", \"usr/bin/\", \"755\"],\n    \
                        [\"../../docs/*.md\", \"usr/share/doc/\", \"644\"],\n]\n[x]\ny = [\n]\n";
        assert_eq!(files_of(manifest), ["target/release/walcast", "../../docs/*.md"]);
        assert_eq!(files_of("[package]\n"), Vec::<&str>::new());
    }
}
