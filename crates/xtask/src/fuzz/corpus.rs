//! Inputs that are worth keeping.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::build;
use super::target::Target;

/// Puts inputs that reach an edge which neither seeds nor kept inputs reach into the corpus; how many they are.
pub(super) fn keep(target: Target) -> Result<usize> {
    let known = target.work("known");
    if known.exists() {
        std::fs::remove_dir_all(&known).with_context(|| format!("cannot empty {}", known.display()))?;
    }
    std::fs::create_dir_all(&known).with_context(|| format!("cannot create {}", known.display()))?;
    let (seeds, corpus) = (target.seeds(), target.corpus());
    copy(&seeds, &known)?;
    copy(&corpus, &known)?;
    let known_before = files(&known)?;
    let status = Command::new(build::program(target)?)
        // Edges alone: with counts, inputs would differ that need not all be kept.
        .args(["-merge=1", "-use_counters=0"])
        .args([&known, &target.inputs()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .with_context(|| format!("cannot start {}", target.name()))?;
    ensure!(
        status.success(),
        "{} cannot merge its inputs: {status}",
        target.name()
    );
    let added: Vec<PathBuf> = files(&known)?
        .into_iter()
        .filter(|file| !known_before.contains(file))
        .collect();
    for file in &added {
        copy_file(file, &corpus)?;
    }
    Ok(added.len())
}

/// How many inputs there are.
pub(super) fn count(folder: &Path) -> Result<usize> {
    Ok(files(folder)?.len())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    files(from)?.iter().try_for_each(|file| copy_file(file, to))
}

fn copy_file(file: &Path, folder: &Path) -> Result<()> {
    let name = file.file_name().context("an input has a name")?;
    std::fs::copy(file, folder.join(name)).with_context(|| format!("cannot copy {}", file.display()))?;
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    entries.map(|entry| Ok(entry?.path())).collect()
}
