//! The form of a scenario's file.
//!
//! Lines that begin with `--!` are directives, everything else is SQL. What stands before `--! changes` is run before the
//! connectors start. A statement ends with a line that ends with `;` (outside of `$$`), and is a transaction of its own
//! unless it stands between `begin;` and `commit;`.
//!
//! ```text
//! --! shows <one sentence>                  required
//! --! debezium <property> = <value>         a property that differs from the defaults
//! --! walcast <key> = <TOML value>          a key that does
//! --! alone                                 connectors of its own
//! --! differs <why>                         differs on purpose, at each of the paths that follow
//! --! at <path>
//! --! halts <why>                           walcast ends, and its log holds the text that follows
//! --! fails <why>                           Debezium's task ends with an error that holds the text that follows
//! --! says <text>
//! --! with <release> <directive>            what is expected beside this release of Debezium, as opposed to the oldest:
//!                                           `equal`, or one of `differs`, `at`, `halts`, `fails` and `says`
//! --! only <release>                        not played beside the others
//! --! changes                               from here on both connectors stream
//! --! wait                                  until both have delivered what was written so far
//! --! reads <number>                        both have read so many existing rows by the end of this round
//! --! session <name>                        the statements that follow run in this session; the first is `main`
//! ```
//!
//! Each session finds the scenario's own schema first and `public` second. `{schema}` stands for that schema, `{prefix}` (in
//! settings) for the connector's topic prefix.

use std::collections::BTreeMap;

use super::expectation::Expectation;
use super::release::Release;
use super::scenario::{Expected, Scenario, Settings};

/// A statement, and the session that runs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The name of the session.
    pub session: String,
    /// One statement.
    pub sql: String,
}

/// The session of the statements before the first `--! session`.
const MAIN: &str = "main";

/// Reads a file; the error says what is wrong with it.
pub(super) fn parse(name: &str, text: &str) -> Result<Scenario, String> {
    let mut reader = Reader::new(name);
    for (index, line) in text.lines().enumerate() {
        let read = match line.strip_prefix("--!") {
            Some(directive) => reader.directive(directive.trim()),
            None => {
                reader.sql(line);
                Ok(())
            }
        };
        read.map_err(|problem| format!("line {}: {problem}", index + 1))?;
    }
    reader.finish()
}

struct Reader {
    scenario: Scenario,
    statement: String,
    session: String,
    expected: Expectation,
    exceptions: BTreeMap<Release, Expectation>,
}

impl Reader {
    fn new(name: &str) -> Reader {
        Reader {
            scenario: Scenario {
                name: name.to_owned(),
                shows: String::new(),
                settings: Settings::default(),
                alone: false,
                expected: Expected::Equal,
                exceptions: BTreeMap::new(),
                is_inherited: false,
                only: None,
                setup: Vec::new(),
                rounds: Vec::new(),
                reads: BTreeMap::new(),
            },
            statement: String::new(),
            session: MAIN.to_owned(),
            expected: Expectation::default(),
            exceptions: BTreeMap::new(),
        }
    }

    fn directive(&mut self, directive: &str) -> Result<(), String> {
        if !self.statement.trim().is_empty() {
            return Err("a statement before it does not end with `;`".to_owned());
        }
        let (word, rest) = directive.split_once(' ').unwrap_or((directive, ""));
        let rest = rest.trim().replace("{schema}", &self.scenario.namespace());
        let settings = &mut self.scenario.settings;
        match (word, rest.is_empty()) {
            ("shows", false) => self.scenario.shows = rest,
            ("debezium", false) => settings.debezium.extend([assignment(&rest)?]),
            ("walcast", false) => settings.walcast.extend([assignment(&rest)?]),
            ("alone", true) => self.scenario.alone = true,
            ("with", false) => {
                let (number, directive) = rest.split_once(' ').unwrap_or((rest.as_str(), ""));
                let release = Release::parse(number).ok_or_else(|| format!("{number:?} is no release"))?;
                let (word, rest) = directive.split_once(' ').unwrap_or((directive, ""));
                let exception = self.exceptions.entry(release).or_default();
                if !exception.read(word, rest.trim()) {
                    return Err(format!("{directive:?} is no directive about the outcome"));
                }
            }
            ("only", false) => {
                let release = Release::parse(&rest).ok_or_else(|| format!("{rest:?} is no release"))?;
                self.scenario.only = Some(release);
            }
            ("changes" | "wait", true) => {
                if (word == "changes") != self.scenario.rounds.is_empty() {
                    return Err("`changes` comes once, before every `wait`".to_owned());
                }
                self.scenario.rounds.push(Vec::new());
            }
            ("reads", false) => {
                let rows = rest.parse().map_err(|_| format!("{rest:?} is no number"))?;
                let round = self.scenario.rounds.len().checked_sub(1);
                let round = round.ok_or("`reads` stands in a round")?;
                self.scenario.alone = true;
                self.scenario.reads.insert(round, rows);
            }
            ("session", false) => self.session = rest,
            _ if self.expected.read(word, &rest) => {}
            _ => return Err(format!("{directive:?} is no directive")),
        }
        Ok(())
    }

    fn sql(&mut self, line: &str) {
        if self.statement.is_empty() && (line.trim().is_empty() || line.trim_start().starts_with("--")) {
            return;
        }
        self.statement.push_str(line);
        self.statement.push('\n');
        let inside_dollars = self.statement.matches("$$").count() % 2 == 1;
        if line.trim_end().ends_with(';') && !inside_dollars {
            let sql = std::mem::take(&mut self.statement);
            let statement = Statement {
                session: self.session.clone(),
                sql: sql.trim().replace("{schema}", &self.scenario.namespace()),
            };
            let statements = self.scenario.rounds.last_mut();
            statements.unwrap_or(&mut self.scenario.setup).push(statement);
        }
    }

    fn finish(mut self) -> Result<Scenario, String> {
        self.scenario.alone |= self.expected.is_end() || self.exceptions.values().any(Expectation::is_end);
        self.scenario.expected = std::mem::take(&mut self.expected).finish()?;
        for (release, exception) in std::mem::take(&mut self.exceptions) {
            self.scenario.exceptions.insert(release, exception.finish()?);
        }
        if !self.statement.trim().is_empty() {
            return Err("the last statement does not end with `;`".to_owned());
        }
        if self.scenario.shows.is_empty() {
            return Err("`--! shows` is missing".to_owned());
        }
        if self.scenario.rounds.iter().all(Vec::is_empty) {
            return Err("nothing follows `--! changes`".to_owned());
        }
        Ok(self.scenario)
    }
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a setting is `name = value`")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "--! shows A thing.\n--! walcast format.x = [1, 2]\n--! differs Because.\n--! at t#1.*\n\
        -- a remark\ncreate table {schema}.t (\n    id int);\n\n--! changes\ninsert into t values (1);\n\
        --! session two\ndo $$ begin\nnull;\nend $$;\n--! wait\nselect 1;\n";

    #[test]
    fn a_file_is_settings_and_statements_in_rounds() {
        let scenario = parse("keys/one", FILE).unwrap();
        assert_eq!(scenario.shows, "A thing.");
        assert_eq!(scenario.settings.walcast["format.x"], "[1, 2]");
        assert_eq!(scenario.setup[0].sql, "create table keys_one.t (\n    id int);");
        let rounds = scenario.rounds.iter().map(|round| {
            let statements = round
                .iter()
                .map(|statement| (statement.session.as_str(), statement.sql.as_str()));
            statements.collect::<Vec<_>>()
        });
        let expected = [
            vec![
                ("main", "insert into t values (1);"),
                ("two", "do $$ begin\nnull;\nend $$;"),
            ],
            vec![("two", "select 1;")],
        ];
        assert_eq!(rounds.collect::<Vec<_>>(), expected);
        let paths = vec!["t#1.*".to_owned()];
        let reason = "Because.".to_owned();
        assert_eq!(scenario.expected, Expected::Differs { reason, paths });
    }

    #[test]
    fn a_release_can_have_an_expectation_of_its_own() {
        let file = "--! shows A thing.\n--! halts Because.\n--! says no\n--! with 3.6 differs Otherwise.\n\
            --! with 3.6 at {schema}#1\n--! only 3.6\n--! changes\nselect 1;\n";
        let scenario = parse("a/b", file).unwrap();
        assert_eq!(scenario.only, Some(Release::V3_6));
        let (reason, says) = ("Because.".to_owned(), "no".to_owned());
        assert_eq!(scenario.expected, Expected::Halts { reason, says });
        let (reason, paths) = ("Otherwise.".to_owned(), vec!["a_b#1".to_owned()]);
        assert_eq!(
            scenario.exceptions[&Release::V3_6],
            Expected::Differs { reason, paths }
        );
        assert!(scenario.alone);
    }

    #[test]
    fn reports_what_is_wrong() {
        let wrong = |text: &str| parse("a/b", text).unwrap_err();
        assert!(wrong("--! show it").contains("no directive"));
        assert!(wrong("--! shows it\n--! wait\n").contains("`changes` comes once"));
        assert!(wrong("--! shows it\n--! changes\nselect 1").contains("does not end"));
        assert!(wrong("--! shows it\n--! differs why\n--! changes\nselect 1;").contains("goes with `at`"));
        assert!(wrong("--! shows it\n--! with 2.0 equal\n").contains("no release"));
        assert!(wrong("--! shows it\n--! with 3.6 alone\n").contains("no directive about"));
        assert!(wrong("--! changes\nselect 1;").contains("is missing"));
        assert!(wrong("--! shows it\n").contains("nothing follows"));
    }
}
