//! docs/errors.md lists every error of the crates that make the program, each with its exit code, its meaning, the way on, and a
//! test. Whether the tests exist is checked with those of the other documents (`promises.rs`).

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use syn::{Attribute, Item, ItemImpl, Meta, Type};

const DOCUMENT: &str = "docs/errors.md";

/// Crates whose errors users see.
const CRATES: [&str; 8] = [
    "pgoutput", "mapper", "delivery", "postgres", "kafka", "topics", "verify", "walcast",
];

/// Errors that no text shows: a list of fields that serde returns as an error.
const INTERNAL: [&str; 1] = ["FieldList"];

/// Cells of a row: error, exit code, meaning, way on, test.
const CELLS: usize = 5;

/// Crate and name of an error: `Enum::Variant`, or the name of a struct.
type ErrorName = (String, String);

/// Checks the document against the errors of `sources`.
pub(super) fn check(sources: &[(String, String)]) -> Result<()> {
    let mut found = BTreeSet::new();
    for (file, text) in sources {
        if let Some(krate) = crate_of(file) {
            let syntax = syn::parse_file(text).with_context(|| format!("cannot parse {file}"))?;
            let errors = errors_of(&syntax.items);
            found.extend(errors.into_iter().map(|error| (krate.to_owned(), error)));
        }
    }
    let document = std::fs::read_to_string(DOCUMENT).with_context(|| format!("cannot read {DOCUMENT}"))?;
    let findings = compare(&found, &document);
    if !findings.is_empty() {
        bail!(
            "{DOCUMENT} is not the list of the errors:\n{}",
            findings.join("\n")
        );
    }
    Ok(())
}

/// Crate of a source file, without files that only tests contain.
fn crate_of(file: &str) -> Option<&str> {
    let (krate, inside) = file.strip_prefix("crates/")?.split_once("/src/")?;
    let is_test = inside.split(['/', '.']).any(|part| part == "tests");
    (CRATES.contains(&krate) && !is_test).then_some(krate)
}

fn compare(found: &BTreeSet<ErrorName>, document: &str) -> Vec<String> {
    let (listed, mut findings) = rows(document);
    let lines = |names: &BTreeSet<ErrorName>, others: &BTreeSet<ErrorName>, problem: &str| {
        let missing = names.difference(others);
        missing
            .map(|(krate, name)| format!("{krate}: {name} {problem}"))
            .collect::<Vec<_>>()
    };
    findings.extend(lines(found, &listed, "is not listed"));
    findings.extend(lines(&listed, found, "does not exist"));
    findings
}

/// Errors that the document lists, and rows that are incomplete. A heading `## crates/NAME` precedes the errors of a crate.
fn rows(document: &str) -> (BTreeSet<ErrorName>, Vec<String>) {
    let (mut listed, mut findings) = (BTreeSet::new(), Vec::new());
    let mut krate = None;
    for line in document.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            krate = heading.strip_prefix("crates/");
        }
        let (Some(krate), Some(row)) = (krate, line.strip_prefix("| `")) else {
            continue;
        };
        let Some((name, _)) = row.split_once('`') else {
            continue;
        };
        // A cell may contain a pipe as text.
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let is_complete = cells.len() == CELLS && cells.iter().all(|cell| !cell.is_empty());
        let has_test = cells.last().is_some_and(|test| test.contains("::"));
        if !is_complete || !has_test {
            findings.push(format!(
                "{krate}: the row of {name} does not have exit code, meaning, way on, and a test"
            ));
        }
        if !listed.insert((krate.to_owned(), name.to_owned())) {
            findings.push(format!("{krate}: {name} is listed twice"));
        }
    }
    (listed, findings)
}

fn errors_of(items: &[Item]) -> Vec<String> {
    items
        .iter()
        .flat_map(|item| match item {
            Item::Enum(item) if is_error(&item.attrs) => item
                .variants
                .iter()
                .map(|variant| format!("{}::{}", item.ident, variant.ident))
                .collect(),
            Item::Struct(item) if is_error(&item.attrs) => vec![item.ident.to_string()],
            Item::Impl(item) => implemented(item).into_iter().collect(),
            Item::Mod(item) if !is_for_tests(&item.attrs) => item
                .content
                .as_ref()
                .map_or_else(Vec::new, |(_, items)| errors_of(items)),
            _ => Vec::new(),
        })
        .collect()
}

/// Whether an item derives `thiserror::Error`.
fn is_error(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("derive")
            && matches!(&attribute.meta, Meta::List(list) if list.tokens.to_string().replace(' ', "").contains("thiserror::Error"))
    })
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && matches!(&attribute.meta, Meta::List(list) if list.tokens.to_string() == "test")
    })
}

/// Type for which `std::error::Error` is implemented by hand.
fn implemented(item: &ItemImpl) -> Option<String> {
    let (path, _) = item.trait_.as_ref()?;
    let segments: Vec<String> = path
        .segments
        .iter()
        .map(|segment| segment.ident.to_string())
        .collect();
    let Type::Path(of) = &*item.self_ty else {
        return None;
    };
    let name = of.path.segments.last()?.ident.to_string();
    (segments == ["std", "error", "Error"] && !INTERNAL.contains(&name.as_str())).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r#"
        #[derive(Debug, thiserror::Error)]
        enum Wrong { #[error("a")] First, #[error("b")] Second { why: String } }
        #[derive(Debug, thiserror::Error)]
        #[error("c")]
        struct Other;
        struct Third;
        impl std::error::Error for Third {}
        #[derive(Debug)]
        enum NoError { Variant }
        #[cfg(test)]
        mod tests { #[derive(Debug, thiserror::Error)] struct OfATest; }
    "#;

    fn found() -> BTreeSet<ErrorName> {
        let items = syn::parse_file(SOURCE).unwrap().items;
        let errors = errors_of(&items);
        errors
            .into_iter()
            .map(|name| ("kafka".to_owned(), name))
            .collect()
    }

    fn document(names: &[&str]) -> String {
        let rows: String = names
            .iter()
            .map(|name| format!("| `{name}` | 5 | It failed. | start again | `kafka/file::test` |\n"))
            .collect();
        format!("## crates/kafka\n\n{rows}")
    }

    #[test]
    fn every_error_is_listed_once() {
        let all = ["Wrong::First", "Wrong::Second", "Other", "Third"];
        assert_eq!(compare(&found(), &document(&all)), Vec::<String>::new());
        assert_eq!(
            compare(&found(), &document(&["Wrong::First", "Other", "Third", "Gone"])),
            ["kafka: Wrong::Second is not listed", "kafka: Gone does not exist"]
        );
        assert_eq!(
            compare(
                &found(),
                &document(&["Wrong::First", "Wrong::Second", "Other", "Third", "Third"])
            ),
            ["kafka: Third is listed twice"]
        );
    }

    #[test]
    fn a_row_is_complete() {
        for row in [
            "| `Other` | 5 | It failed. | start again | none |",
            "| `Other` | 5 | It failed. |  | `kafka/file::test` |",
            "| `Other` | 5 | It failed. | `kafka/file::test` |",
        ] {
            let (_, findings) = rows(&format!("## crates/kafka\n{row}\n"));
            assert_eq!(findings.len(), 1, "{row}");
        }
    }

    #[test]
    fn files_of_tests_are_left_out() {
        assert_eq!(crate_of("crates/kafka/src/error.rs"), Some("kafka"));
        for file in [
            "crates/kafka/src/registry/tests.rs",
            "crates/walcast/src/exit/tests/kafka.rs",
            "crates/kafka/tests/servers/main.rs",
            "crates/testbed/src/error.rs",
        ] {
            assert_eq!(crate_of(file), None, "{file}");
        }
    }
}
