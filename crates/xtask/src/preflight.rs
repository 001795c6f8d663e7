//! What the commands need beside Rust, looked for before anything is built, downloaded or started.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

/// A program that must be there, and the package of Debian and Ubuntu that has it.
const NEEDED: [(&str, &str); 9] = [
    ("cc", "gcc"),
    ("make", "make"),
    ("perl", "perl"),
    ("java", "openjdk-17-jre-headless"),
    ("mvn", "maven"),
    ("tar", "tar"),
    ("xz", "xz-utils"),
    ("setpriv", "util-linux"),
    ("git", "git"),
];

/// What the tests of the web console need as well.
const NEEDED_BY_TESTS: [(&str, &str); 3] = [
    ("chromium", "chromium"),
    ("chromedriver", "chromium-driver"),
    ("npm", "npm"),
];

/// The oldest Java that the servers run on.
const JAVA_MIN: u32 = 17;

/// Names everything that is missing for servers at once, in one line to paste.
pub(crate) fn check() -> Result<()> {
    check_for(&NEEDED)
}

/// The same for the tests.
pub(crate) fn check_for_tests() -> Result<()> {
    check_for(&[&NEEDED[..], &NEEDED_BY_TESTS].concat())
}

fn check_for(needed: &[(&'static str, &'static str)]) -> Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    let is_there = |program: &str| folders.iter().any(|folder| folder.join(program).is_file());
    let missing = missing(needed, is_there, java_version());
    if missing.is_empty() {
        return Ok(());
    }
    let (programs, packages): (Vec<&str>, Vec<&str>) = missing.into_iter().unzip();
    let sudo = if rustix::process::geteuid().is_root() {
        ""
    } else {
        "sudo "
    };
    let install = if Path::new("/usr/bin/apt-get").is_file() {
        format!(
            "{sudo}apt-get update && {sudo}apt-get install -y {}",
            packages.join(" ")
        )
    } else {
        format!("install what Debian has in: {}", packages.join(" "))
    };
    bail!("not installed: {}; run:\n\n    {install}\n", programs.join(", "))
}

fn missing(
    needed: &[(&'static str, &'static str)],
    is_there: impl Fn(&str) -> bool,
    java: Option<u32>,
) -> Vec<(&'static str, &'static str)> {
    let is_usable = |program: &str| {
        is_there(program) && (program != "java" || java.is_none_or(|version| version >= JAVA_MIN))
    };
    needed
        .iter()
        .copied()
        .filter(|(program, _)| !is_usable(program))
        .collect()
}

/// The major version of the Java on the path; none where it cannot be read.
fn java_version() -> Option<u32> {
    let output = Command::new("java").arg("-version").output().ok()?;
    read_java_version(&String::from_utf8_lossy(&output.stderr))
}

/// `openjdk version "17.0.9" 2023-10-17`; `1.8.0` is 8.
fn read_java_version(text: &str) -> Option<u32> {
    let mut parts = text.split('"').nth(1)?.split(['.', '-', '+']);
    let major: u32 = parts.next()?.parse().ok()?;
    if major == 1 {
        parts.next()?.parse().ok()
    } else {
        Some(major)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_all_that_is_missing() {
        assert!(missing(&NEEDED, |_| true, Some(21)).is_empty());
        assert!(missing(&NEEDED, |_| true, None).is_empty());
        assert_eq!(
            missing(&NEEDED, |_| true, Some(11)),
            [("java", "openjdk-17-jre-headless")]
        );
        let without = |program: &str| program != "xz" && program != "perl";
        assert_eq!(
            missing(&NEEDED, without, Some(17)),
            [("perl", "perl"), ("xz", "xz-utils")]
        );
        let without_browser = |program: &str| program != "chromedriver";
        assert_eq!(
            missing(&NEEDED_BY_TESTS, without_browser, Some(17)),
            [("chromedriver", "chromium-driver")]
        );
    }

    #[test]
    fn reads_the_version_of_java() {
        assert_eq!(
            read_java_version("openjdk version \"17.0.9\" 2023-10-17\n"),
            Some(17)
        );
        assert_eq!(read_java_version("openjdk version \"21-ea\""), Some(21));
        assert_eq!(read_java_version("java version \"1.8.0_392\""), Some(8));
        assert_eq!(read_java_version("gibberish"), None);
    }
}
