//! Rules about the tree that no compiler checks.

use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::{dialect, errors, promises, sizes};

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
    ("let _", " = ", "an outcome is handled, or dropped by name"),
];

pub(crate) fn check() -> Result<()> {
    let files = tracked(&["*.rs"])?;
    ensure!(!files.is_empty(), "git lists no source files");
    let sources = files.into_iter().map(read).collect::<Result<Vec<_>>>()?;
    let texts = tracked(&["*.md", "*.toml", "*.yaml", "*.yml", "*.sql"])?;
    let texts = texts.into_iter().map(read).collect::<Result<Vec<_>>>()?;
    let findings: Vec<String> = sources
        .iter()
        .flat_map(|(file, text)| check_file(file, text))
        .collect();
    if !findings.is_empty() {
        bail!("the tree is not tidy:\n{}", findings.join("\n"));
    }
    dialect::check(sources.iter().chain(&texts))?;
    promises::check(&sources)?;
    errors::check(&sources)?;
    sizes::report(&sources)
}

fn read(file: String) -> Result<(String, String)> {
    let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
    Ok((file, text))
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

/// The files that git tracks by such names.
fn tracked(names: &[&str]) -> Result<Vec<String>> {
    let output = Command::new("git")
        .arg("ls-files")
        .args(names)
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
    fn finds_what_is_untidy() {
        let untidy = format!("fn a() {{}}\n{}{}]\n", FORBIDDEN[0].0, FORBIDDEN[0].1);
        assert_eq!(check_file("a.rs", &untidy).len(), 1);
        assert_eq!(check_file("a.rs", &"\n".repeat(LINES_MAX + 1)).len(), 1);
        assert_eq!(check_file("a.rs", "fn a() {}\n"), Vec::<String>::new());
    }
}
