//! `cargo xtask audit`: whether anything that is built in is known to be vulnerable, and how much the answer is worth: an old
//! database knows nothing of what was found since.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::gate::supply;

/// Where `deny.toml` has RustSec's database kept.
const DATABASES: &str = "target/advisory-dbs";

const DAY_SECONDS: u64 = 86_400;

/// Known vulnerabilities of what is built in, and the age of the database that was asked
#[derive(Args)]
#[command(
    after_help = "Fetches the database from github.com, or from a mirror that git is configured with:\n  \
    git config --global url.<mirror>.insteadOf https://github.com/RustSec/advisory-db\n\nExamples:\n  \
    cargo xtask audit                          fetch, then ask\n  \
    cargo xtask audit --offline                ask the database that was fetched before\n  \
    cargo xtask audit --max-age-days 90        be content with an older mirror"
)]
pub(crate) struct Arguments {
    /// Fetch nothing
    #[arg(long)]
    offline: bool,

    /// Fail where the newest advisory of the database is older than so many days: several come in every week
    #[arg(long, default_value_t = 14, value_name = "DAYS")]
    max_age_days: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if !arguments.offline {
        let fetched = supply::cargo_deny()?
            .args(["--log-level", "error", "fetch", "db"])
            .status()
            .context("cannot start cargo-deny")?;
        ensure!(
            fetched.success(),
            "the advisory database cannot be fetched, so nothing was asked; ask the one that was fetched before with --offline, or configure git with a \
             mirror (cargo xtask audit --help)"
        );
    }
    let database = Database::find(Path::new(DATABASES))?;
    eprintln!("advisory database {database}");
    // cargo-deny looks at every package of Cargo.lock, those of other systems too, and without a network from here on.
    let fetched = Command::new("cargo")
        .args(["fetch", "--locked", "--quiet"])
        .status()
        .context("cannot start cargo fetch")?;
    ensure!(
        fetched.success(),
        "the packages of Cargo.lock cannot be fetched from the registry"
    );
    // Asked also when it is old: what it knows is true all the same.
    let asked = supply::cargo_deny()?
        .args([
            "--log-level",
            "error",
            "--offline",
            "check",
            "--hide-inclusion-graph",
            "advisories",
        ])
        .status()
        .context("cannot start cargo-deny")?;
    ensure!(
        asked.success(),
        "an advisory concerns something that is built in, or cannot be read"
    );
    ensure!(
        database.days <= arguments.max_age_days,
        "the advisory database is {} days old, {} at most are accepted: nothing is known of what was found since; fetch a newer one, or \
         raise --max-age-days",
        database.days,
        arguments.max_age_days
    );
    Ok(())
}

/// What was asked.
#[derive(Debug, PartialEq, Eq)]
struct Database {
    commit: String,
    committed: String,
    days: u64,
}

impl std::fmt::Display for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            commit,
            committed,
            days,
        } = self;
        write!(f, "of {committed} (commit {commit}): {days} days old")
    }
}

impl Database {
    fn find(folder: &Path) -> Result<Self> {
        let missing = || {
            format!(
                "there is no advisory database in {}; run cargo xtask audit without --offline",
                folder.display()
            )
        };
        let entries = std::fs::read_dir(folder).with_context(missing)?;
        let paths: Vec<PathBuf> = entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()?;
        let repository = paths
            .iter()
            .find(|path| path.join(".git").exists())
            .with_context(missing)?;
        let output = Command::new("git")
            .arg("-C")
            .arg(repository)
            .args(["log", "-1", "--format=%h %cs %ct"])
            .output()
            .context("cannot start git")?;
        ensure!(
            output.status.success(),
            "git log in {}: {}",
            repository.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        Self::parse(&String::from_utf8_lossy(&output.stdout), now).context("git log printed no commit")
    }

    fn parse(line: &str, now: u64) -> Option<Self> {
        let mut words = line.split_whitespace();
        let (commit, committed) = (words.next()?.to_owned(), words.next()?.to_owned());
        let seconds: u64 = words.next()?.parse().ok()?;
        Some(Self {
            commit,
            committed,
            days: now.saturating_sub(seconds) / DAY_SECONDS,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_is_that_of_the_newest_commit() {
        let database = Database::parse(
            "2e25d96 2025-02-24 1740407442\n",
            1_740_407_442 + 3 * DAY_SECONDS + 7,
        )
        .unwrap();
        assert_eq!(database.to_string(), "of 2025-02-24 (commit 2e25d96): 3 days old");
        assert_eq!(Database::parse("2e25d96 2025-02-24 9\n", 0).unwrap().days, 0);
        assert_eq!(Database::parse("", 0), None);
    }

    #[test]
    fn no_database_is_no_answer() {
        let folder = std::env::temp_dir().join("walcast-no-advisories");
        let error = Database::find(&folder).unwrap_err().to_string();
        assert!(error.starts_with("there is no advisory database in "), "{error}");
    }
}
