//! From a seed to a sequence. The generator is pure: it asks no server, and the same seed gives the same sequence.
//!
//! It keeps a model of the database, so that most statements succeed; one that fails is refused by the database without a
//! publication as well, and changes nothing.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::model::Model;
use super::step::{Action, Publication, Role, Sequence, Statement, Step};

/// Steps before the connector starts for the first time.
const STEPS_BEFORE: std::ops::Range<usize> = 2..6;
/// Steps after that.
const STEPS_AFTER: std::ops::Range<usize> = 12..26;
/// How often a statement is chosen again that the model does not allow.
const ATTEMPTS: usize = 20;

/// A generator with its choices, its model, and what the connector does.
#[derive(Debug)]
pub(super) struct Generator {
    chance: StdRng,
    pub(super) model: Model,
    pub(super) role: Role,
    /// Whether a row that moves to another partition stays in its topic.
    pub(super) is_by_root: bool,
    /// Labels that the current transaction adds to enums.
    pub(super) later_labels: Vec<(usize, String)>,
    connector: Connector,
}

/// What the connector does as far as steps determine it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connector {
    Stopped,
    Running,
    Frozen,
}

impl Sequence {
    /// The sequence of a seed.
    pub fn of(seed: u64) -> Sequence {
        let mut chance = StdRng::seed_from_u64(seed);
        let publication = match chance.random_range(0..6) {
            0 => Publication::AllTables,
            1 => Publication::AllTablesByRoot,
            _ => Publication::Own,
        };
        let role = match chance.random_range(0..4) {
            0 if publication == Publication::Own => Role::Member,
            _ => Role::Superuser,
        };
        let (before, after) = (
            chance.random_range(STEPS_BEFORE),
            chance.random_range(STEPS_AFTER),
        );
        let mut generator = Generator {
            chance,
            model: Model::default(),
            role,
            is_by_root: publication != Publication::AllTables,
            later_labels: Vec::new(),
            connector: Connector::Stopped,
        };
        let mut steps = Vec::new();
        for _ in 0..2 {
            steps.push(generator.creation());
        }
        while steps.len() < 2 + before {
            steps.push(generator.transaction());
        }
        steps.push(generator.start());
        for _ in 0..after {
            let step = generator.step(publication);
            steps.push(step);
        }
        Sequence {
            seed,
            publication,
            role,
            steps,
        }
    }
}

impl Generator {
    fn step(&mut self, publication: Publication) -> Step {
        match self.roll(100) {
            0..=73 => self.transaction(),
            74..=75 if publication == Publication::Own => self.operator(),
            _ => self.action(),
        }
    }

    /// A transaction that creates a table and fills it.
    fn creation(&mut self) -> Step {
        let mut statements = self.create_table();
        let place = self.model.tables.len() - 1;
        if self.model.tables[place].takes_rows() {
            statements.push(self.fill(place));
        }
        Step::Transaction {
            statements,
            commits: true,
        }
    }

    /// A transaction of writes, a definition, or both.
    fn transaction(&mut self) -> Step {
        let before = self.model.clone();
        let mut statements = Vec::new();
        let defines = self.one_in(2);
        if !defines || self.one_in(3) {
            self.add_writes(&mut statements);
        }
        if defines {
            let definition = (0..ATTEMPTS).find_map(|_| self.definition());
            statements.extend(definition.into_iter().flatten());
            if self.one_in(3) {
                self.add_writes(&mut statements);
            }
        }
        let commits = !self.one_in(12);
        if !commits {
            let after = std::mem::replace(&mut self.model, before);
            // Ids and names are never used again.
            self.model.keep_counters(&after);
        }
        for (own, label) in std::mem::take(&mut self.later_labels) {
            let labels = self.model.types.get_mut(own).and_then(|own| own.labels.as_mut());
            labels
                .into_iter()
                .filter(|_| commits)
                .for_each(|labels| labels.push(label.clone()));
        }
        Step::Transaction { statements, commits }
    }

    fn add_writes(&mut self, statements: &mut Vec<Statement>) {
        for _ in 0..=self.roll(3) {
            let statement = (0..ATTEMPTS).find_map(|_| self.write());
            statements.extend(statement);
        }
    }

    fn start(&mut self) -> Step {
        self.connector = Connector::Running;
        let action = if self.one_in(3) {
            Action::Launch
        } else {
            Action::Start
        };
        Step::Connector(action)
    }

    fn action(&mut self) -> Step {
        let action = match self.connector {
            Connector::Stopped => return self.start(),
            Connector::Frozen => {
                self.connector = Connector::Running;
                Action::Thaw
            }
            Connector::Running => match self.roll(12) {
                0..=2 => {
                    self.connector = Connector::Stopped;
                    Action::Stop
                }
                3..=4 => {
                    self.connector = Connector::Stopped;
                    Action::Kill
                }
                5..=7 => {
                    self.connector = Connector::Frozen;
                    Action::Freeze
                }
                8 => Action::Reconnect,
                9 => match self.captured_table() {
                    Some(place) => Action::Read(self.model.tables[place].full()),
                    None => Action::Reconnect,
                },
                _ => Action::CatchUp,
            },
        };
        Step::Connector(action)
    }

    /// A change of the publication: what it hides has to be reported.
    fn operator(&mut self) -> Step {
        let table = self.captured_table().map(|place| self.model.tables[place].full());
        let sql = match table {
            Some(table) if self.one_in(2) => format!("ALTER PUBLICATION {{publication}} DROP TABLE {table}"),
            _ => "ALTER PUBLICATION {publication} SET (publish = 'insert, update')".to_owned(),
        };
        Step::Operator(sql)
    }

    /// A number below `end`.
    pub(super) fn roll(&mut self, end: usize) -> usize {
        self.chance.random_range(0..end)
    }

    /// Whether the one case of `cases` is chosen.
    pub(super) fn one_in(&mut self, cases: usize) -> bool {
        self.roll(cases) == 0
    }

    /// One of several; `None` if there is none.
    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        match from.len() {
            0 => None,
            count => from.get(self.roll(count)),
        }
    }

    /// The place of any table.
    pub(super) fn some_table(&mut self) -> Option<usize> {
        let count = self.model.tables.len();
        (count > 0).then(|| self.roll(count))
    }

    fn captured_table(&mut self) -> Option<usize> {
        self.table_that(|table| table.schema == super::model::CAPTURED && table.is_logged)
    }

    /// The place of a table that fulfils a condition.
    pub(super) fn table_that(&mut self, condition: impl Fn(&super::model::Table) -> bool) -> Option<usize> {
        let places: Vec<usize> = (0..self.model.tables.len())
            .filter(|place| condition(&self.model.tables[*place]))
            .collect();
        self.pick(&places).copied()
    }
}

#[cfg(test)]
mod tests;
