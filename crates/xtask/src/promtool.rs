//! promtool, which checks and tests rules of Prometheus.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// Where the package is unpacked.
const FOLDER: &str = "target/promtool";

/// The program: the one of this machine, or the one of Debian's package `prometheus`, which is unpacked for this checkout and not
/// installed, because its service would be started.
pub(crate) fn path() -> Result<PathBuf> {
    let mut version = Command::new("promtool");
    version
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if version.status().is_ok_and(|status| status.success()) {
        return Ok("promtool".into());
    }
    let program = Path::new(FOLDER).join("usr/bin/promtool");
    if !program.is_file() {
        unpack()?;
    }
    Ok(program)
}

fn unpack() -> Result<()> {
    let wanted = "promtool is missing: install it, such as by Debian's package prometheus";
    fs::create_dir_all(FOLDER).with_context(|| format!("cannot create {FOLDER}"))?;
    let apt = |arguments: &[&str]| {
        let mut apt = Command::new("apt-get");
        apt.args(arguments).current_dir(FOLDER);
        apt.status().context(wanted)
    };
    let mut status = apt(&["--quiet", "download", "prometheus"])?;
    // A new machine has no lists of packages.
    if !status.success() && apt(&["--quiet", "update"])?.success() {
        status = apt(&["--quiet", "download", "prometheus"])?;
    }
    ensure!(status.success(), "{wanted}; apt-get download ended with {status}");
    let entries = fs::read_dir(FOLDER).with_context(|| format!("cannot list {FOLDER}"))?;
    let paths = entries.map(|entry| -> Result<PathBuf> { Ok(entry?.path()) });
    let mut packages = paths.collect::<Result<Vec<PathBuf>>>()?;
    packages.retain(|path| path.extension().is_some_and(|extension| extension == "deb"));
    let package = packages.pop().context(wanted)?;
    let mut extract = Command::new("dpkg-deb");
    extract.arg("--extract").arg(&package).arg(FOLDER);
    let status = extract.status().context(wanted)?;
    ensure!(
        status.success(),
        "{wanted}; dpkg-deb --extract ended with {status}"
    );
    fs::remove_file(&package).with_context(|| format!("cannot remove {}", package.display()))
}
