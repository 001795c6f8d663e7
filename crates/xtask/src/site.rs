//! `cargo xtask site`: the documentation as a site, which mdBook renders.
//!
//! The documents link to files beside `docs/`, so the tracked documents and the files that they link to are staged in one folder
//! first. `docs/SUMMARY.md` is the table of contents. The gate does not render the site; unit tests check the table and the links.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::tool;

/// Table of contents, with paths from its folder.
const SUMMARY: &str = "docs/SUMMARY.md";
/// Folder that mdBook reads, as `book.toml` has it.
const SOURCE: &str = "target/site/source";
/// Version of mdBook.
const MDBOOK_VERSION: &str = "0.5.4";
/// Files that are part of the site: documents, and what they link to.
const STAGED: [&str; 7] = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "docs",
    "docker",
    "examples",
];

pub(crate) fn run() -> Result<()> {
    let source = Path::new(SOURCE);
    if source.exists() {
        fs::remove_dir_all(source).with_context(|| format!("cannot remove {SOURCE}"))?;
    }
    for file in tracked()? {
        copy(&file, &source.join(&file))?;
    }
    let summary = fs::read_to_string(SUMMARY).with_context(|| format!("cannot read {SUMMARY}"))?;
    let staged = source.join("SUMMARY.md");
    fs::write(&staged, from_root(&summary)).with_context(|| format!("cannot write {}", staged.display()))?;
    let rendered = Command::new(tool::installed("mdbook", MDBOOK_VERSION)?)
        .arg("build")
        .status()
        .context("cannot start mdbook")?;
    ensure!(rendered.success(), "mdbook build ended with {rendered}");
    eprintln!("the site is in target/site/html");
    Ok(())
}

fn tracked() -> Result<Vec<PathBuf>> {
    let output = Command::new("git")
        .arg("ls-files")
        .args(STAGED)
        .output()
        .context("cannot start git")?;
    ensure!(
        output.status.success(),
        "git ls-files ended with {}",
        output.status
    );
    let listing = String::from_utf8(output.stdout).context("git listed a name that is not UTF-8")?;
    Ok(listing.lines().map(PathBuf::from).collect())
}

fn copy(file: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    fs::copy(file, to).with_context(|| format!("cannot copy {}", file.display()))?;
    Ok(())
}

/// Table of contents with paths from the root.
fn from_root(summary: &str) -> String {
    summary.replace("](", "](docs/").replace("](docs/../", "](")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Root of the checkout: tests run in the folder of their package.
    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    /// Documents below a folder.
    fn documents(folder: &Path) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.extend(documents(&path));
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
        found.sort();
        found
    }

    /// Targets of the links of a document outside of its code blocks, without anchors and addresses.
    fn links(text: &str) -> Vec<String> {
        let mut is_code = false;
        let mut links = Vec::new();
        for line in text.lines() {
            if line.trim_start().starts_with("```") {
                is_code = !is_code;
            }
            if is_code || line.starts_with("    ") {
                continue;
            }
            // Even parts are outside of `code`.
            let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("code");
            for part in prose.split("](").skip(1) {
                let target = part.split([')', '#', ' ']).next().unwrap_or_default();
                if !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:") {
                    links.push(target.to_owned());
                }
            }
        }
        links
    }

    #[test]
    fn the_table_of_contents_lists_each_document_once() {
        let docs = root().join("docs");
        let text = fs::read_to_string(root().join(SUMMARY)).unwrap();
        let mut listed = BTreeMap::<PathBuf, usize>::new();
        for link in links(&text) {
            *listed.entry(docs.join(link)).or_default() += 1;
        }
        let twice: Vec<_> = listed.iter().filter(|(_, count)| **count != 1).collect();
        assert_eq!(twice, Vec::new(), "docs/SUMMARY.md lists documents twice");
        let mut missing = documents(&docs);
        missing.retain(|path| !path.ends_with("SUMMARY.md") && !listed.contains_key(path));
        assert_eq!(missing, Vec::<PathBuf>::new(), "docs/SUMMARY.md lacks documents");
    }

    #[test]
    fn links_of_documents_lead_to_files() {
        let mut broken = Vec::new();
        for document in documents(&root().join("docs")) {
            let text = fs::read_to_string(&document).unwrap();
            let folder = document.parent().unwrap();
            for link in links(&text) {
                if !folder.join(&link).exists() {
                    broken.push(format!("{}: {link}", document.display()));
                }
            }
        }
        assert_eq!(broken, Vec::<String>::new());
    }

    #[test]
    fn links_are_found_outside_of_code() {
        let text = "[a](a.md) and [b](b.md#part), `[c](c.md)`\n```\n[d](d.md)\n```\n[e](https://example.org) [f](#here)\n    [g](g.md)\n";
        assert_eq!(links(text), ["a.md", "b.md"]);
    }

    #[test]
    fn the_staged_table_has_paths_from_the_root() {
        assert_eq!(
            from_root("- [A](a.md)\n- [R](../README.md)\n"),
            "- [A](docs/a.md)\n- [R](README.md)\n"
        );
    }
}
