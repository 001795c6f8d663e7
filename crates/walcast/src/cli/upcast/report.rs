//! Report of the tests of upcasters.

use serde::Serialize;

/// Test of an upcaster, with its result.
#[derive(Debug, Serialize)]
pub(super) struct Tested {
    /// Index of the store in the file.
    pub(super) event_store: usize,
    #[serde(rename = "type")]
    pub(super) event_type: String,
    pub(super) from: String,
    pub(super) to: String,
    /// Number of the test, from 1.
    pub(super) test: usize,
    pub(super) passed: bool,
    pub(super) differences: Vec<String>,
}

/// A line for each test, the differences below it, and a line for all.
pub(super) fn lines(tested: &[Tested]) -> Vec<String> {
    if tested.is_empty() {
        return vec!["no upcaster has a test".to_owned()];
    }
    let mut lines = Vec::new();
    for test in tested {
        let Tested {
            event_store,
            event_type,
            from,
            to,
            test: number,
            passed,
            differences,
        } = test;
        let result = match passed {
            true => "ok  ",
            false => "FAIL",
        };
        lines.push(format!(
            "{result}  event_store[{event_store}] {event_type} {from} -> {to}, test {number}"
        ));
        lines.extend(differences.iter().map(|difference| format!("      {difference}")));
    }
    let passed = tested.iter().filter(|test| test.passed).count();
    lines.push(format!("{passed} of {} tests passed", tested.len()));
    lines
}
