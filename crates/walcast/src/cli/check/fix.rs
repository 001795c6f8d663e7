//! `walcast check --fix`: executes what is missing in the source, as far as the role of the connector may.
//!
//! Each statement is a transaction of its own: it is executed completely or not at all. A slot is created only after the statements of
//! the publication have succeeded, because it cannot decode changes from before its publication.

use serde::Serialize;
use walcast_delivery::CreateMissing;
use walcast_postgres::{PostgresError, Setup, SetupOutcome, SetupPurpose, SetupSession, SetupStatement};

use crate::cli::confirmation::is_confirmed;
use crate::config::Config;
use crate::exit::{Exit, Rejection, UsageError};
use crate::stdout::stdout;

/// What became of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    /// The server has executed it.
    Done,
    /// The server has executed it, and what it creates is still missing: the role may not grant the privilege.
    WithoutEffect,
    /// The role may not execute it.
    NotPermitted,
    /// The server rejects it for another reason.
    Failed,
    /// It was not executed, because it depends on another statement.
    NotRun,
    /// The connection ended while it was executed.
    Unknown,
}

impl Outcome {
    const fn word(self) -> &'static str {
        match self {
            Outcome::Done => "done",
            Outcome::WithoutEffect => "without effect",
            Outcome::NotPermitted => "not permitted",
            Outcome::Failed => "failed",
            Outcome::NotRun => "not run",
            Outcome::Unknown => "unknown",
        }
    }
}

/// Statement with its result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Fixed {
    sql: String,
    outcome: Outcome,
    /// Reason of a result other than success.
    reason: Option<String>,
}

/// Results in JSON.
#[derive(Serialize)]
struct Report<'r> {
    database: &'r str,
    notes: &'r [String],
    statements: &'r [Fixed],
}

/// Executes statements; the source, except in tests.
trait Executor {
    async fn execute(&self, statement: &SetupStatement) -> Result<SetupOutcome, PostgresError>;
}

impl Executor for SetupSession {
    async fn execute(&self, statement: &SetupStatement) -> Result<SetupOutcome, PostgresError> {
        SetupSession::execute(self, statement).await
    }
}

pub(super) async fn fix(config: &Config, yes: bool, json: bool) -> anyhow::Result<Exit> {
    if !config.polled.is_empty() {
        let text = "the outboxes of this connector are polled (source = \"poll\"): check --sql prints the privileges that it needs";
        return Err(UsageError(text.to_owned()).into());
    }
    if json && !yes {
        return Err(UsageError("--fix with --json does not ask: it needs --yes".to_owned()).into());
    }
    let session = SetupSession::connect(&config.postgres).await?;
    let setup = wanted(session.missing().await?, config.postgres.creates_missing);
    if !json {
        show(&setup)?;
    }
    if setup.statements.is_empty() {
        return report(&setup, &[], json);
    }
    if !yes
        && !is_confirmed(&format!(
            "execute these statements as {}?",
            config.postgres.connect.user()
        ))?
    {
        return Err(Rejection::NotConfirmed("executing these statements").into());
    }
    let (mut fixed, lost) = execute(&session, &setup.statements).await;
    let left = match lost {
        None => session.missing().await,
        Some(error) => Err(error),
    };
    let left = left.map(|left| without_effect(&mut fixed, &left));
    // The results of the statements are printed even if the connection has ended.
    let reported = report(&setup, &fixed, json);
    left?;
    reported
}

/// Statements to execute: a slot that the first start creates would only retain WAL until then.
fn wanted(mut setup: Setup, creates_missing: CreateMissing) -> Setup {
    if creates_missing != CreateMissing::Neither {
        setup
            .statements
            .retain(|statement| statement.purpose != SetupPurpose::Slot);
    }
    setup
}

fn show(setup: &Setup) -> anyhow::Result<()> {
    let mut output = stdout();
    let notes = setup.notes.iter().map(|note| format!("-- {note}"));
    let statements = setup.statements.iter();
    output.lines([match setup.statements.is_empty() {
        true => format!("-- nothing is missing in database {}", setup.database),
        false => format!("-- missing in database {}:", setup.database),
    }])?;
    output.lines(notes)?;
    output.lines(statements.map(|statement| format!("{};", statement.sql)))?;
    output.flush()?;
    Ok(())
}

/// Executes the statements in their order, each whatever became of the others, except for the slot. The error is that of a connection
/// that ended.
async fn execute(
    executor: &impl Executor,
    statements: &[SetupStatement],
) -> (Vec<Fixed>, Option<PostgresError>) {
    let (mut fixed, mut lost) = (Vec::with_capacity(statements.len()), None);
    let mut is_published = true;
    for statement in statements {
        let (outcome, reason) = if lost.is_some() {
            (Outcome::NotRun, Some("the connection has ended".to_owned()))
        } else if statement.purpose == SetupPurpose::Slot && !is_published {
            let reason = "the slot could not decode changes from before the publication";
            (Outcome::NotRun, Some(reason.to_owned()))
        } else {
            match executor.execute(statement).await {
                Ok(SetupOutcome::Executed) => (Outcome::Done, None),
                Ok(SetupOutcome::NotPermitted(reason)) => (Outcome::NotPermitted, Some(reason)),
                Ok(SetupOutcome::Rejected(reason)) => (Outcome::Failed, Some(reason)),
                Err(error) => {
                    let reason = error.to_string();
                    lost = Some(error);
                    (Outcome::Unknown, Some(reason))
                }
            }
        };
        if statement.purpose == SetupPurpose::Publication {
            is_published &= outcome == Outcome::Done;
        }
        fixed.push(Fixed {
            sql: statement.sql.clone(),
            outcome,
            reason,
        });
    }
    (fixed, lost)
}

/// Corrects the results of statements that are still missing: a `GRANT` without the right to grant is only a warning of the server.
fn without_effect(fixed: &mut [Fixed], left: &Setup) {
    for one in fixed.iter_mut().filter(|one| one.outcome == Outcome::Done) {
        if left.statements.iter().any(|statement| statement.sql == one.sql) {
            one.outcome = Outcome::WithoutEffect;
            one.reason = Some("the server granted nothing".to_owned());
        }
    }
}

fn report(setup: &Setup, fixed: &[Fixed], json: bool) -> anyhow::Result<Exit> {
    let mut output = stdout();
    if json {
        output.json(&Report {
            database: &setup.database,
            notes: &setup.notes,
            statements: fixed,
        })?;
    } else {
        output.lines(lines(fixed))?;
    }
    output.flush()?;
    match fixed.iter().filter(|one| one.outcome != Outcome::Done).count() {
        0 => Ok(Exit::Done),
        left => Err(Rejection::Unfixed {
            left,
            all: fixed.len(),
        }
        .into()),
    }
}

/// One line for each statement, with its result first.
fn lines(fixed: &[Fixed]) -> Vec<String> {
    let width = fixed.iter().map(|one| one.outcome.word().len()).max();
    let width = width.unwrap_or_default();
    let line = |one: &Fixed| {
        let reason = one.reason.as_ref();
        let reason = reason.map(|reason| format!("  -- {reason}")).unwrap_or_default();
        format!("{:<width$}  {};{reason}", one.outcome.word(), one.sql)
    };
    fixed.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    /// Executor that gives each statement the result that its text names.
    struct Scripted;

    impl Executor for Scripted {
        async fn execute(&self, statement: &SetupStatement) -> Result<SetupOutcome, PostgresError> {
            Ok(match statement.sql.as_str() {
                sql if sql.starts_with("ALTER ROLE") => {
                    SetupOutcome::NotPermitted("permission denied to alter role".to_owned())
                }
                sql if sql.contains("unowned") => {
                    SetupOutcome::NotPermitted("must be owner of table unowned".to_owned())
                }
                _ => SetupOutcome::Executed,
            })
        }
    }

    fn setup(publication: &str) -> Setup {
        let statement = |purpose, sql: &str| SetupStatement {
            sql: sql.to_owned(),
            purpose,
        };
        Setup {
            database: "shop".to_owned(),
            notes: Vec::new(),
            statements: vec![
                statement(SetupPurpose::Privilege, "ALTER ROLE walcast REPLICATION"),
                statement(SetupPurpose::Privilege, "GRANT SELECT ON items TO walcast"),
                statement(SetupPurpose::Publication, publication),
                statement(SetupPurpose::Slot, "SELECT slot()"),
            ],
        }
    }

    async fn executed(setup: &Setup) -> Vec<Fixed> {
        let (fixed, lost) = execute(&Scripted, &setup.statements).await;
        assert!(lost.is_none(), "{lost:?}");
        fixed
    }

    #[tokio::test]
    async fn a_statement_that_is_not_permitted_leaves_the_others_alone() {
        let setup = setup("CREATE PUBLICATION p FOR TABLE items");
        let mut fixed = executed(&setup).await;
        let left = Setup {
            statements: setup.statements.iter().take(2).cloned().collect(),
            ..setup.clone()
        };
        without_effect(&mut fixed, &left);
        expect![[r"
            not permitted   ALTER ROLE walcast REPLICATION;  -- permission denied to alter role
            without effect  GRANT SELECT ON items TO walcast;  -- the server granted nothing
            done            CREATE PUBLICATION p FOR TABLE items;
            done            SELECT slot();"]]
        .assert_eq(&lines(&fixed).join("\n"));
    }

    #[tokio::test]
    async fn no_slot_is_created_before_its_publication() {
        let fixed = executed(&setup("CREATE PUBLICATION p FOR TABLE unowned")).await;
        expect![[r"
            not permitted  ALTER ROLE walcast REPLICATION;  -- permission denied to alter role
            done           GRANT SELECT ON items TO walcast;
            not permitted  CREATE PUBLICATION p FOR TABLE unowned;  -- must be owner of table unowned
            not run        SELECT slot();  -- the slot could not decode changes from before the publication"]]
        .assert_eq(&lines(&fixed).join("\n"));
    }

    #[test]
    fn the_slot_is_left_to_a_start_that_creates_it() {
        let all = setup("CREATE PUBLICATION p FOR TABLE items");
        assert_eq!(wanted(all.clone(), CreateMissing::Neither).statements.len(), 4);
        assert_eq!(wanted(all, CreateMissing::Both).statements.len(), 3);
    }
}
