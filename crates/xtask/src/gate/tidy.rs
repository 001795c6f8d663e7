//! Rules about the tree that no compiler checks.

use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::promises;

/// Past this a file holds a second idea.
const LINES_MAX: usize = 500;

/// Texts that must not stand in a source file, with the reason. Each is written in two halves so that this file does not
/// hold it.
const FORBIDDEN: [(&str, &str, &str); 6] = [
    ("#[ign", "ore", "a test that is not run proves nothing"),
    ("todo", "!(", "what is not built is not there"),
    ("unimple", "mented!(", "what is not built is not there"),
    ("repo1.", "maven", "packages are named, their hosts are not"),
    ("static.crates", ".io", "packages are named, their hosts are not"),
    (
        "let _",
        " = ",
        "an outcome is handled or said to be of no use by name",
    ),
];

pub(crate) fn check() -> Result<()> {
    let files = tracked_sources()?;
    ensure!(!files.is_empty(), "git lists no source files");
    let read = |file: String| -> Result<(String, String)> {
        let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
        Ok((file, text))
    };
    let sources = files.into_iter().map(read).collect::<Result<Vec<_>>>()?;
    let findings: Vec<String> = sources
        .iter()
        .flat_map(|(file, text)| check_file(file, text))
        .collect();
    if !findings.is_empty() {
        bail!("the tree is not tidy:\n{}", findings.join("\n"));
    }
    promises::check(&sources)
}

fn check_file(file: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let lines = text.lines().count();
    if lines > LINES_MAX {
        findings.push(format!(
            "{file}: {lines} lines; past {LINES_MAX} look for a second idea"
        ));
    }
    for (number, line) in text.lines().enumerate() {
        for (head, tail, reason) in FORBIDDEN {
            if line.contains(&format!("{head}{tail}")) {
                findings.push(format!("{file}:{}: {head}{tail}: {reason}", number + 1));
            }
        }
    }
    findings
}

fn tracked_sources() -> Result<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "*.rs"])
        .output()
        .context("cannot start git")?;
    ensure!(
        output.status.success(),
        "git ls-files: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let listing = String::from_utf8(output.stdout).context("git listed a name that is not UTF-8")?;
    Ok(listing.lines().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_untidy_is_found() {
        let untidy = format!("fn a() {{}}\n{}{}]\n", FORBIDDEN[0].0, FORBIDDEN[0].1);
        assert_eq!(check_file("a.rs", &untidy).len(), 1);
        assert_eq!(check_file("a.rs", &"\n".repeat(LINES_MAX + 1)).len(), 1);
        assert_eq!(check_file("a.rs", "fn a() {}\n"), Vec::<String>::new());
    }
}
