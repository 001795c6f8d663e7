//! Every test that docs/guarantees.md, docs/architecture.md, docs/security.md and docs/errors.md name must exist.

use std::collections::HashSet;

use anyhow::{Context, Result, bail, ensure};

/// The documents that name tests.
const DOCUMENTS: [&str; 4] = [
    "docs/guarantees.md",
    "docs/architecture.md",
    "docs/security.md",
    "docs/errors.md",
];

/// Checks the documents against the tests of `sources`, by name.
pub(super) fn check(sources: &[(String, String)]) -> Result<()> {
    let tests: HashSet<&str> = sources.iter().flat_map(|(_, text)| functions(text)).collect();
    let mut missing = Vec::new();
    let mut named = 0;
    for document in DOCUMENTS {
        let text = std::fs::read_to_string(document).with_context(|| format!("cannot read {document}"))?;
        for name in test_names(&text) {
            named += 1;
            if !tests.contains(name) {
                missing.push(format!("{document}: {name}"));
            }
        }
    }
    ensure!(
        named > 0,
        "no test is named in {DOCUMENTS:?}: the check would not see anything"
    );
    if !missing.is_empty() {
        bail!("tests that do not exist are named:\n{}", missing.join("\n"));
    }
    Ok(())
}

/// `path/file::name` in backquotes names a test.
fn test_names(document: &str) -> impl Iterator<Item = &str> {
    let quoted = document.split('`').skip(1).step_by(2);
    let tests = quoted.filter(|text| text.contains('/') && text.contains("::"));
    tests.filter_map(|text| text.rsplit("::").next())
}

fn functions(source: &str) -> impl Iterator<Item = &str> {
    let after = source.split("fn ").skip(1);
    after.filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_on_both_sides() {
        let document = "see `tests/halts::a_slot_halts`, `Sink::open` and `docs/x.md`";
        assert_eq!(test_names(document).collect::<Vec<_>>(), ["a_slot_halts"]);
        assert_eq!(
            functions("#[test]\nasync fn a_slot_halts() {}").collect::<Vec<_>>(),
            ["a_slot_halts"]
        );
    }
}
