//! `walcast upcast`: tests the upcasters of event stores.

mod report;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use walcast_mapper::config::EventStoreRule;

use self::report::{Tested, lines};
use super::config_args::ActionArgs;
use crate::config::Config;
use crate::exit::{Exit, help_end};
use crate::stdout::stdout;

/// Test the upcasters of event stores with the payloads in the configuration: test
///
/// No server is asked.
#[derive(Debug, Args)]
#[command(after_help = help_end!("  walcast upcast test\n\
     \x20 walcast upcast test shop.toml"))]
pub(crate) struct UpcastArgs {
    #[command(subcommand)]
    pub(crate) action: Action,

    #[command(flatten)]
    pub(crate) options: ActionArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Upcast the payload of each test, and print what differs from the one that is expected
    #[command(after_help = help_end!(
        "  walcast upcast test\n\
         \x20 walcast upcast test shop.toml\n\
         \x20 walcast upcast test --json | jq '.[] | select(.passed | not)'"
    ))]
    Test {
        /// The configuration file, instead of that of --config
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

impl UpcastArgs {
    /// Options with the file of the action.
    pub(super) fn options(&self) -> ActionArgs {
        let Action::Test { file } = &self.action;
        match file {
            Some(file) => self.options.clone().of_file(file.clone()),
            None => self.options.clone(),
        }
    }
}

/// Tests the upcasters of a configuration.
pub(crate) fn test(config: &Config, json: bool) -> anyhow::Result<Exit> {
    let tested = tested(&config.mapper.event_stores);
    let mut output = stdout();
    match json {
        true => {
            output.json(&tested)?;
        }
        false => {
            output.lines(lines(&tested))?;
        }
    }
    output.flush()?;
    Ok(match tested.iter().all(|tested| tested.passed) {
        true => Exit::Done,
        false => Exit::Rejected,
    })
}

/// The tests of all upcasters.
fn tested(stores: &[EventStoreRule]) -> Vec<Tested> {
    let mut all = Vec::new();
    for (store, rule) in stores.iter().enumerate() {
        for upcaster in &rule.upcasters {
            let numbered = (1..).zip(&upcaster.tests);
            all.extend(numbered.map(|(number, test)| {
                let differences = upcaster.test(test);
                Tested {
                    event_store: store,
                    event_type: upcaster.event_type.clone(),
                    from: upcaster.from.to_string(),
                    to: upcaster.to.to_string(),
                    test: number,
                    passed: differences.is_empty(),
                    differences,
                }
            }));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;
    use walcast_mapper::config::EventStoreRule;

    use super::report::lines;
    use super::tested;

    #[test]
    fn differences_are_printed_below_their_test() {
        let store: EventStoreRule = serde_json::from_value(json!({
            "preset": "emmett",
            "upcasters": [{
                "type": "OrderPlaced", "from": 1, "to": 2,
                "steps": [{"rename": "sum", "to": "total"}, {"default": "currency", "value": "EUR"}],
                "tests": [
                    {"before": "{\"sum\": 1.50}", "after": "{\"currency\": \"EUR\", \"total\": 1.50}"},
                    {"before": "{\"sum\": 1.5}", "after": "{\"total\": 1.50}"},
                    {"before": "{\"sum\": 1, \"total\": 1}"},
                ],
            }],
        }))
        .unwrap();
        let tested = tested(&[store]);
        expect![[r#"
            ok    event_store[0] OrderPlaced 1 -> 2, test 1
            FAIL  event_store[0] OrderPlaced 1 -> 2, test 2
                  currency: expected no member, found "EUR"
                  total: expected 1.50, found 1.5
            ok    event_store[0] OrderPlaced 1 -> 2, test 3
            2 of 3 tests passed"#]]
        .assert_eq(&lines(&tested).join("\n"));
        assert_eq!(lines(&[]), ["no upcaster has a test"]);
    }
}
