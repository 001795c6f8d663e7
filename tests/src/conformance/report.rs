//! What a person reads: the failures of a run, and the document that lists every scenario.

use std::collections::HashSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::mask::MASK;
use super::outcome::{Outcome, Verdict};
use super::release::Release;
use super::scenario::{Expected, FOLDER, Scenario, Settings};

/// The document, relative to the workspace.
pub const DOCUMENT: &str = "docs/conformance.md";

/// How many differences of a scenario are shown.
const DIFFERENCES_SHOWN: usize = 12;

/// How much of a log is shown, in characters.
const LOG_SHOWN: usize = 4000;

/// What did not come as expected, scenario by scenario; empty when all did.
pub fn failures(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    let mut broken = HashSet::<&str>::new();
    for outcome in outcomes {
        let name = &outcome.scenario.name;
        match &outcome.verdict {
            Verdict::AsExpected => {}
            Verdict::Silent => line(&mut text, &format!("{name}: neither connector wrote a record")),
            Verdict::Stale(paths) => {
                line(
                    &mut text,
                    &format!("{name}: nothing differs (any more) at {}", paths.join(", ")),
                );
            }
            Verdict::Broken(message) if broken.insert(message) => {
                line(&mut text, &format!("{name}: {message}"));
            }
            // The others of its group.
            Verdict::Broken(_) => line(&mut text, &format!("{name}: likewise")),
            Verdict::OtherEnd(log) => {
                let skipped = log.chars().count().saturating_sub(LOG_SHOWN);
                let end: String = log.chars().skip(skipped).collect();
                line(&mut text, &format!("{name}: it ended with other words:\n{end}"));
            }
            Verdict::Different(found) => {
                line(&mut text, &format!("{name}: {} differences", found.len()));
                for difference in found.iter().take(DIFFERENCES_SHOWN) {
                    line(&mut text, &format!("    {difference}"));
                }
                if found.len() > DIFFERENCES_SHOWN {
                    line(&mut text, "    ...");
                }
            }
        }
    }
    text
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("a string takes any text");
}

/// The document's text, when every scenario comes as expected.
pub fn document(scenarios: &[Scenario]) -> String {
    let mut text = format!(
        "# Conformance\n\n\
         The real Debezium {oldest} and walcast run side by side on the same database, and their output is compared: number\n\
         and order of records, key, value, headers, tombstones, and the registered schemas, property by property. {} scenarios,\n\
         each a file under `{FOLDER}/`. `cargo xtask conformance` writes this document; the tests fail when the result of a\n\
         scenario is not the one listed here.\n\n\
         `cargo xtask conformance --debezium {number}` plays the same scenarios beside Debezium {latest}, with `debezium_version =\n\
         \"{number}\"`. The results are the same, except where both are listed; where the later release has corrected a difference, none\n\
         is required. The tests play those scenarios of default settings that share a pair of connectors, and the family `origins`,\n\
         beside this release too.\n\n\
         ## Not compared\n\n\
         | field | reason |\n|---|---|\n",
        scenarios.len(),
        oldest = Release::default(),
        latest = Release::V3_6,
        number = Release::V3_6.number(),
    );
    for masked in MASK {
        line(&mut text, &format!("| {} | {} |", masked.what, masked.reason));
    }
    let mut family = "";
    for scenario in scenarios {
        if scenario.family() != family {
            family = scenario.family();
            line(
                &mut text,
                &format!("\n## {family}\n\n| scenario | subject | result |\n|---|---|---|"),
            );
        }
        let file = scenario.name.rsplit('/').next().unwrap_or_default();
        let only = scenario.only.map(|release| format!(" Only beside {release}."));
        let settings = settings(&scenario.settings);
        let shows = format!("{}{settings}{}", scenario.shows, only.unwrap_or_default());
        line(
            &mut text,
            &format!("| {file} | {} | {} |", cell(&shows), cell(&results(scenario))),
        );
    }
    text
}

/// A text that can stand in a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn settings(settings: &Settings) -> String {
    let list = |settings: &std::collections::BTreeMap<String, String>| -> String {
        let each = settings.iter().map(|(name, value)| format!("`{name} = {value}`"));
        each.collect::<Vec<_>>().join(", ")
    };
    match (settings.debezium.is_empty(), settings.walcast.is_empty()) {
        (true, true) => String::new(),
        (false, true) => format!(" Debezium: {}.", list(&settings.debezium)),
        (true, false) => format!(" walcast: {}.", list(&settings.walcast)),
        (false, false) => format!(
            " Debezium: {}; walcast: {}.",
            list(&settings.debezium),
            list(&settings.walcast)
        ),
    }
}

/// The result, and that beside each release where it is another one.
fn results(scenario: &Scenario) -> String {
    let mut text = result(&scenario.expected);
    for (release, expected) in &scenario.exceptions {
        let end = if text.ends_with('.') { "" } else { "." };
        text += &format!("{end} Beside {release}: {}", result(expected));
    }
    text
}

fn result(expected: &Expected) -> String {
    match expected {
        Expected::Equal => "equal".to_owned(),
        Expected::Differs { reason, .. } => format!("**differs**: {reason}"),
        Expected::Halts { reason, .. } => format!("**walcast halts**: {reason}"),
        Expected::Fails { reason, .. } => format!("**Debezium fails**: {reason}"),
    }
}

/// What to do about the document when it is not what [`document`] gives; `None` when it is.
pub fn stale_document(scenarios: &[Scenario]) -> Option<String> {
    let found = std::fs::read_to_string(document_path()).unwrap_or_default();
    (found != document(scenarios)).then(|| format!("{DOCUMENT} is not current: run cargo xtask conformance"))
}

/// Writes the document.
pub fn write_document(scenarios: &[Scenario]) {
    std::fs::write(document_path(), document(scenarios))
        .unwrap_or_else(|error| panic!("{DOCUMENT}: {error}"));
}

fn document_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(DOCUMENT)
}
