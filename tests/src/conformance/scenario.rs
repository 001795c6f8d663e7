//! A scenario, as its file says it.

use std::collections::BTreeMap;
use std::path::Path;

use super::release::Release;
use super::script::{self, Statement};

/// Where the files are, relative to the workspace.
pub(super) const FOLDER: &str = "tests/conformance";

/// One thing that is shown: SQL, the settings it runs with, and what is to come of it.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// `<family>/<file>` without its extension.
    pub name: String,
    /// What it shows, in one sentence.
    pub shows: String,
    /// Settings that differ from the defaults of both.
    pub settings: Settings,
    /// Whether it needs connectors of its own although others have the same settings.
    pub alone: bool,
    /// What is to come of it.
    pub expected: Expected,
    /// What is to come of it beside a release where that is something else.
    pub exceptions: BTreeMap<Release, Expected>,
    /// Whether what is to come of it was written for the oldest release, and a later one is played.
    pub is_inherited: bool,
    /// The only release beside which it is played.
    pub only: Option<Release>,
    /// Run before either connector starts.
    pub setup: Vec<Statement>,
    /// Run while both stream; both have delivered all of one round before the next begins.
    pub rounds: Vec<Vec<Statement>>,
    /// How many existing rows each has read by the end of a round, by the number of the round.
    pub reads: BTreeMap<usize, usize>,
}

/// Settings that differ from the defaults: names and values as the two connectors take them.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Settings {
    /// Properties of the Debezium connector.
    pub debezium: BTreeMap<String, String>,
    /// Keys of walcast's configuration (`format.tombstones_on_delete`) with values in TOML.
    pub walcast: BTreeMap<String, String>,
}

/// What is to come of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The same records and schemas from both.
    Equal,
    /// Other records or schemas on purpose, at these places and nowhere else.
    Differs {
        /// Why.
        reason: String,
        /// Paths, in which `*` stands for any text. Each must be different.
        paths: Vec<String>,
    },
    /// walcast ends, and says why; Debezium continues somehow.
    Halts {
        /// Why.
        reason: String,
        /// What its log must hold.
        says: String,
    },
    /// Debezium's task ends with an error; walcast delivers everything.
    Fails {
        /// Why.
        reason: String,
        /// What the trace of the error must hold.
        says: String,
    },
}

impl Scenario {
    /// All scenarios, in the order of their names.
    pub fn all() -> Vec<Scenario> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance");
        let mut scenarios = Vec::new();
        for family in entries(&folder) {
            let family_name = name_of(&family);
            for file in entries(&family) {
                let name = format!("{family_name}/{}", name_of(&file));
                let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file:?}: {error}"));
                let scenario = script::parse(&name, &text);
                scenarios.push(scenario.unwrap_or_else(|problem| panic!("{FOLDER}/{name}.sql: {problem}")));
            }
        }
        scenarios.sort_by(|left, right| left.name.cmp(&right.name));
        scenarios
    }

    /// The scenarios of a release, each with what is to come of it there.
    pub fn all_beside(release: Release) -> Vec<Scenario> {
        let scenarios = Scenario::all().into_iter();
        let of_release = scenarios.filter(|scenario| scenario.only.is_none_or(|only| only == release));
        of_release
            .map(|mut scenario| {
                match scenario.exceptions.remove(&release) {
                    Some(expected) => scenario.expected = expected,
                    None => scenario.is_inherited = release != Release::default(),
                }
                scenario
            })
            .collect()
    }

    /// The first part of the name.
    pub fn family(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }

    /// The schema in which its tables are: the name with `_` for the slash.
    pub fn namespace(&self) -> String {
        self.name.replace('/', "_")
    }
}

fn entries(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn name_of(path: &Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}
