//! Steps of a sequence: statements of the application, statements of an operator, and what happens to the connector.

use std::fmt;

/// Sequence of steps that follows from a seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Sequence {
    /// Seed of the choices.
    pub seed: u64,
    /// Publication that the connector uses.
    pub publication: Publication,
    /// Role of the connector.
    pub role: Role,
    /// Steps in their order.
    pub steps: Vec<Step>,
}

/// Publication that exists when the connector starts for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publication {
    /// None: the connector creates its own.
    Own,
    /// `FOR ALL TABLES`, created by an operator: changes of partitions are published as those of the partitions.
    AllTables,
    /// `FOR ALL TABLES`, created by an operator: changes of partitions are published as those of their table.
    AllTablesByRoot,
}

impl Publication {
    /// Statement with which an operator creates the publication.
    pub(super) fn statement(self, name: &str) -> Option<String> {
        let via_root = match self {
            Publication::Own => return None,
            Publication::AllTables => "false",
            Publication::AllTablesByRoot => "true",
        };
        Some(format!(
            "CREATE PUBLICATION {name} FOR ALL TABLES WITH (publish_via_partition_root = {via_root})"
        ))
    }
}

/// Role of the connector in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A superuser.
    Superuser,
    /// A role with `REPLICATION`, a member of the role that owns most tables.
    Member,
}

/// Role that owns the tables which a connector that is no superuser may publish.
pub(super) const OWNER: &str = "sweep_owner";

/// Role of a connector that is no superuser.
pub(super) const CAPTURE: &str = "sweep_capture";

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A transaction of the application, which is committed or rolled back at its end.
    Transaction {
        /// Statements in their order.
        statements: Vec<Statement>,
        /// Whether it is committed.
        commits: bool,
    },
    /// A change of the connector's publication by an operator; `{publication}` stands for its name.
    Operator(String),
    /// An action on the connector.
    Connector(Action),
}

/// Statement of the application.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// The statement.
    pub sql: String,
    /// Rows that the statement writes; `None` for a definition.
    pub writes: Option<Write>,
    /// Effects of a definition on the rows of tables.
    pub effects: Vec<Effect>,
}

impl Statement {
    /// A definition.
    pub(super) fn define(sql: String, effects: Vec<Effect>) -> Statement {
        Statement {
            sql,
            writes: None,
            effects,
        }
    }

    /// A statement that writes rows of a table with the alias `t`.
    pub(super) fn write(sql: String, write: Write) -> Statement {
        Statement {
            sql,
            writes: Some(write),
            effects: Vec::new(),
        }
    }
}

/// Kind of rows that a statement writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// New rows.
    Insert,
    /// Rows with other values.
    Update,
    /// Rows that are removed.
    Delete,
    /// A row whose key changes; it had this id before.
    Rekey(i64),
}

/// Effect of a definition on the rows of a table, which is named with its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Rows came into the topic of the table without being written. The name is that after the statement.
    Arrives(String),
    /// Rows left their topic without being deleted. The name is that before the statement.
    Departs(String),
    /// Rows are gone without being deleted one by one. The name is that before the statement.
    Gone(String),
    /// Rows have other columns or other values. The name is that after the statement.
    Reshapes(String),
}

/// Action on the connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is started, and the sequence waits until it streams.
    Start,
    /// It is started, and the sequence continues at once.
    Launch,
    /// It is stopped cleanly.
    Stop,
    /// SIGKILL.
    Kill,
    /// SIGSTOP: it lags behind from then on.
    Freeze,
    /// SIGCONT.
    Thaw,
    /// The server ends its replication connection.
    Reconnect,
    /// The rows of a table are requested.
    Read(String),
    /// The sequence waits until everything written so far is in Kafka.
    CatchUp,
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "-- seed {}, {} steps, publication {:?}, role {:?}",
            self.seed,
            self.steps.len(),
            self.publication,
            self.role
        )?;
        for (number, step) in self.steps.iter().enumerate() {
            writeln!(f, "{step}  -- step {}", number + 1)?;
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Transaction { statements, commits } => {
                f.write_str("BEGIN;\n")?;
                for statement in statements {
                    writeln!(f, "  {};", statement.sql)?;
                }
                f.write_str(if *commits { "COMMIT;" } else { "ROLLBACK;" })
            }
            Step::Operator(sql) => write!(f, "{sql};  -- by an operator"),
            Step::Connector(action) => write!(f, "-- walcast: {action:?}"),
        }
    }
}
