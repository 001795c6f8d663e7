//! What came of a scenario, and whether that is what was expected.

use std::any::Any;

use serde_json::{Value, json};

use super::capture::{Topic, Topics};
use super::difference::{self, Difference};
use super::scenario::{Expected, Scenario};

/// A scenario and what came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The scenario.
    pub scenario: Scenario,
    /// How many records Debezium wrote.
    pub records: usize,
    /// Whether it came as expected.
    pub verdict: Verdict,
}

/// Whether a scenario came as expected.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It did.
    AsExpected,
    /// Records or schemas differ where they should not.
    Different(Vec<Difference>),
    /// The scenario lists a path at which nothing differs (any more).
    Stale(Vec<String>),
    /// Neither connector wrote a record, so that nothing was compared.
    Silent,
    /// Its group broke off, with this message: a connector or a statement failed.
    Broken(String),
    /// A connector ended as expected, but without saying what it should have said; its words.
    OtherEnd(String),
}

/// Compares what the two wrote.
pub(super) fn judge(scenario: Scenario, debezium: &Topics, walcast: &Topics) -> Outcome {
    let records = |topics: &Topics| topics.values().map(|topic| topic.records.len()).sum::<usize>();
    let count = records(debezium);
    let found = differences(debezium, walcast);
    let verdict = match &scenario.expected {
        _ if count == 0 && records(walcast) == 0 => Verdict::Silent,
        Expected::Differs { paths, .. } => match against(paths, found) {
            // A later release may have corrected what the oldest one does.
            Verdict::Stale(_) if scenario.is_inherited => Verdict::AsExpected,
            verdict => verdict,
        },
        _ => against(&[], found),
    };
    Outcome {
        scenario,
        records: count,
        verdict,
    }
}

/// Whether the connector that ended said what the scenario wants.
pub(super) fn of_end(scenario: Scenario, words: &str) -> Outcome {
    let said = match &scenario.expected {
        Expected::Halts { says, .. } | Expected::Fails { says, .. } => words.contains(says.as_str()),
        Expected::Equal | Expected::Differs { .. } => false,
    };
    Outcome {
        scenario,
        records: 0,
        verdict: if said {
            Verdict::AsExpected
        } else {
            Verdict::OtherEnd(words.to_owned())
        },
    }
}

/// The outcomes of a group in which something panicked.
pub(super) fn of_broken(scenarios: Vec<Scenario>, panic: &(dyn Any + Send)) -> Vec<Outcome> {
    let message = panic.downcast_ref::<String>().map(String::as_str);
    let message = message.or_else(|| panic.downcast_ref::<&str>().copied());
    let outcome = |scenario| Outcome {
        scenario,
        records: 0,
        verdict: Verdict::Broken(message.unwrap_or("a panic without message").to_owned()),
    };
    scenarios.into_iter().map(outcome).collect()
}

fn against(paths: &[String], found: Vec<Difference>) -> Verdict {
    let covers = |pattern: &&String, difference: &&Difference| difference::matches(pattern, &difference.path);
    let stale = paths
        .iter()
        .filter(|path| !found.iter().any(|difference| covers(path, &difference)));
    let stale: Vec<String> = stale.cloned().collect();
    let unlisted = found
        .iter()
        .filter(|difference| !paths.iter().any(|path| covers(&path, difference)));
    let unlisted: Vec<Difference> = unlisted.cloned().collect();
    match (unlisted.is_empty(), stale.is_empty()) {
        (false, _) => Verdict::Different(unlisted),
        (true, false) => Verdict::Stale(stale),
        (true, true) => Verdict::AsExpected,
    }
}

fn differences(debezium: &Topics, walcast: &Topics) -> Vec<Difference> {
    let mut found = Vec::new();
    let only =
        |path: &str, topic: &Topic| (path.to_owned(), json!(format!("{} records", topic.records.len())));
    for (name, ours) in walcast {
        if !debezium.contains_key(name) {
            let (path, walcast) = only(name, ours);
            found.push(Difference {
                path,
                debezium: None,
                walcast: Some(walcast),
            });
        }
    }
    for (name, theirs) in debezium {
        match walcast.get(name) {
            Some(ours) => topic(name, theirs, ours, &mut found),
            None => {
                let (path, debezium) = only(name, theirs);
                found.push(Difference {
                    path,
                    debezium: Some(debezium),
                    walcast: None,
                });
            }
        }
    }
    found
}

fn topic(name: &str, theirs: &Topic, ours: &Topic, found: &mut Vec<Difference>) {
    difference::collect(name, &theirs.schemas, &ours.schemas, found);
    let counts: (Value, Value) = (json!(theirs.records.len()), json!(ours.records.len()));
    difference::collect(&format!("{name}.count"), &counts.0, &counts.1, found);
    for (index, (theirs, ours)) in theirs.records.iter().zip(&ours.records).enumerate() {
        difference::collect(&format!("{name}#{index}"), theirs, ours, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(values: &[i32]) -> Topics {
        let records = values.iter().map(|value| json!({ "value": value })).collect();
        let schemas = json!({});
        [("t".to_owned(), Topic { schemas, records })].into()
    }

    fn verdict(paths: &[&str], walcast: &Topics) -> Verdict {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        against(&paths, differences(&topics(&[1, 2]), walcast))
    }

    #[test]
    fn a_difference_is_listed_or_a_fault_and_a_list_does_not_rot() {
        let (same, other) = (topics(&[1, 2]), topics(&[1, 3]));
        assert_eq!(verdict(&[], &same), Verdict::AsExpected);
        assert_eq!(verdict(&["t#1.*"], &other), Verdict::AsExpected);
        assert_eq!(
            verdict(&["t#1.*"], &same),
            Verdict::Stale(vec!["t#1.*".to_owned()])
        );
        let Verdict::Different(found) = verdict(&["t#0.*"], &other) else {
            panic!("it is not listed");
        };
        assert_eq!(found[0].path, "t#1.value");
    }

    #[test]
    fn missing_records_and_topics_are_differences() {
        assert!(matches!(
            verdict(&["t.count"], &topics(&[1])),
            Verdict::AsExpected
        ));
        assert!(matches!(verdict(&["t"], &Topics::new()), Verdict::AsExpected));
    }
}
