//! `walcast check`: checks all preconditions of a start.

mod promised;

use clap::Args;
use serde::Serialize;
use walcast_delivery::{
    CheckpointLog, CheckpointState, CheckpointStore, Fix, Halt, Precondition, PreconditionOutcome,
    SourceState, publication_findings, resume_position, topic_findings, usable_slot,
};
use walcast_mapper::names;
use walcast_mapper::{MapError, Plan, TableMetadata, TableName};
use walcast_pgoutput::{Lsn, Relation};

use super::config_args::ConfigArgs;
use crate::admin::{self, StoredToken};
use crate::config::{Config, Exposed};
use crate::exit::{Exit, Rejection, help_end};
use crate::printable::printable;
use crate::remedy::{describe, setting_name};
use crate::stdout::stdout;
use crate::wiring;

/// Check every precondition of the connector, one line each, with the fix
///
/// Nothing is created and a running connector is not disturbed.
#[derive(Debug, Args)]
#[command(after_help = help_end!(
    "  walcast check --config walcast.toml\n\
     \x20 walcast check --json | jq '.[] | select(.ok | not)'"
))]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Result of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    /// Name, such as `kafka brokers`.
    name: String,
    ok: bool,
    /// Whether the check passed, but its result needs attention.
    warning: bool,
    /// Observed state, or the fault and its fix.
    detail: String,
}

impl From<Precondition> for Finding {
    fn from(found: Precondition) -> Self {
        let ok = found.is_met();
        let with_fix = |found: String, fix: &Fix| format!("{found}; {}", fix.render(setting_name));
        let (warning, detail) = match found.outcome {
            PreconditionOutcome::Holds(found) => (false, found),
            PreconditionOutcome::Advised { found, fix } => (false, with_fix(found, &fix)),
            PreconditionOutcome::Warned { found, fix } => (true, with_fix(found, &fix)),
            PreconditionOutcome::Failed { found, fix } => (false, with_fix(found, &fix)),
            PreconditionOutcome::Error(error) => (false, describe(&*error)),
        };
        Self {
            name: found.name,
            ok,
            warning,
            detail,
        }
    }
}

pub(crate) async fn check(config: Config, json: bool) -> anyhow::Result<Exit> {
    let findings = findings(&config).await?;
    let mut output = stdout();
    if json {
        output.json(&findings)?;
    } else {
        output.lines(lines(&findings))?;
    }
    output.flush()?;
    match findings.iter().filter(|finding| !finding.ok).count() {
        0 => Ok(Exit::Done),
        failed => Err(Rejection::Checks {
            failed,
            all: findings.len(),
        }
        .into()),
    }
}

/// Findings of all checks that disturb no running instance: first Postgres, then Kafka and the schema registry, then the
/// consistency of slot and checkpoint.
async fn findings(config: &Config) -> anyhow::Result<Vec<Finding>> {
    let Config { postgres, mapper, .. } = config;
    let preconditions = walcast_postgres::preconditions(postgres).await?;
    let of_postgres = |found: Precondition| Precondition {
        name: format!("postgres {}", found.name),
        ..found
    };
    let preconditions = preconditions.into_iter().map(of_postgres);
    let mut findings: Vec<Finding> = preconditions.map(Finding::from).collect();

    // If one of these queries fails, the other findings contain the reason. A running connector advances meanwhile: first
    // the slot is read, then the checkpoint, then the end of the WAL. In this order, consistent positions stay consistent.
    let before = walcast_postgres::inspect(postgres, None).await.ok();
    let log = wiring::checkpoints(config).read().await.ok();
    let timeline = log
        .as_ref()
        .and_then(|log| log.current.as_ref())
        .map(|current| current.timeline);
    let after = walcast_postgres::inspect(postgres, timeline).await.ok();
    let source_state = after.map(|after| SourceState {
        slot: before.and_then(|before| before.slot).or(after.slot),
        ..after
    });

    if let Some(source_state) = &source_state {
        findings.extend(
            topic_findings(source_state, mapper, &config.delivery.dead_letters)
                .into_iter()
                .map(shared),
        );
    }
    let captured = source_state
        .iter()
        .flat_map(|source_state| &source_state.captured);
    let topics: Vec<String> = captured.map(|table| names::topic(mapper, &table.name)).collect();
    let preconditions = walcast_kafka::preconditions(&config.kafka, config.registry.as_ref(), &topics).await;
    findings.extend(preconditions.into_iter().map(Finding::from));
    if let Some(source_state) = &source_state {
        let relations = walcast_postgres::captured_relations(postgres, source_state).await;
        findings.extend(unmappable(config, &relations.unwrap_or_default()));
    }
    if let (Some(source_state), Some(log)) = (&source_state, &log) {
        findings.push(position(
            source_state,
            log,
            &config.postgres.slot,
            &config.postgres.publication,
        ));
        promised::fail_for_promised(&mut findings, source_state, log);
    }
    findings.extend(admin_token(config));
    findings.extend(secrets(&config.exposed));
    Ok(findings)
}

/// Location of the token of the admin port. Only a start stores a token.
fn admin_token(config: &Config) -> Option<Finding> {
    config.admin.listen?;
    let (ok, warning, detail) = if config.admin.token.is_some() {
        (true, false, "as configured".to_owned())
    } else {
        match admin::find_token(&admin::to_search(&config.name, admin::of_process)) {
            Ok(Some(StoredToken { path, .. })) => (true, false, format!("in {}", path.display())),
            Ok(None) => match admin::to_store(&config.name, admin::of_process).first() {
                Some(place) => {
                    let path = place.path();
                    let detail = format!("the first start stores one, in {} if it can", path.display());
                    (true, false, detail)
                }
                None => {
                    let detail = "no directory to store a token is known, so requests that change state will be rejected; set token or token_file in [admin], or the environment variable HOME";
                    (true, true, detail.to_owned())
                }
            },
            Err(error) => (false, false, error.to_string()),
        }
    };
    Some(Finding {
        name: "admin token".to_owned(),
        ok,
        warning,
        detail,
    })
}

/// Tables whose first change would halt the connector or become a dead letter, because of invalid field names or an invalid
/// key. Tables without such a fault are not listed.
fn unmappable(config: &Config, relations: &[(Relation, TableMetadata)]) -> Vec<Finding> {
    let faults = relations.iter().filter_map(|(relation, metadata)| {
        let error = Plan::compile(relation, metadata, &config.mapper).err()?;
        Some((TableName::from(relation), error))
    });
    let finding = |(table, error): (TableName, MapError)| {
        let is_dead_letter = config.delivery.dead_letters.keeps(&table);
        Finding {
            name: format!("records of {table}"),
            ok: is_dead_letter,
            warning: is_dead_letter,
            detail: describe(&error),
        }
    };
    faults.map(finding).collect()
}

/// Finding for captured tables that share a topic.
fn shared(halt: Halt) -> Finding {
    Finding {
        name: match &halt {
            Halt::SharedTopic { topic, .. } => format!("topic {topic}"),
            _ => "topics".to_owned(),
        },
        ok: false,
        warning: false,
        detail: describe(&halt),
    }
}

/// Findings about secrets that other users can read; one finding if there are none.
fn secrets(exposed: &[Exposed]) -> Vec<Finding> {
    let finding = |warning, detail| Finding {
        name: "secrets".to_owned(),
        ok: true,
        warning,
        detail,
    };
    if exposed.is_empty() {
        return vec![finding(
            false,
            "no file with a secret can be read by other users".to_owned(),
        )];
    }
    exposed
        .iter()
        .map(|exposed| finding(true, exposed.to_string()))
        .collect()
}

/// Finding about the position: whether a start resumes without losing or duplicating changes.
fn position(source_state: &SourceState, log: &CheckpointLog, slot: &str, publication: &str) -> Finding {
    let found = match (&log.current, &source_state.slot) {
        (None, None) => Ok("the first start begins with transactions that commit after it".to_owned()),
        (Some(current), None) if current.state == CheckpointState::CreatingSlot => {
            Ok("the first start was interrupted and will be repeated".to_owned())
        }
        (Some(current), _) => resume_position(source_state, current, slot).and_then(|from| {
            // The publication is created only at the first start: changes written without it have been missed.
            let findings = publication_findings(source_state, publication).into_iter();
            let mut missing = findings.filter(|finding| matches!(finding, Halt::PublicationMissing { .. }));
            missing
                .next()
                .map_or_else(|| Ok(format!("a start resumes at {from}")), Err)
        }),
        (None, Some(state)) => usable_slot(source_state, state, Lsn::INVALID).and_then(|confirmed| {
            Err(Halt::SlotWithoutCheckpoint {
                slot: slot.to_owned(),
                confirmed,
            })
        }),
    };
    let ok = found.is_ok();
    let detail = found.unwrap_or_else(|halt| describe(&halt));
    Finding {
        name: "position".to_owned(),
        ok,
        warning: false,
        detail,
    }
}

/// One line per finding; failures and warnings are in capitals.
fn lines(findings: &[Finding]) -> Vec<String> {
    let width = findings
        .iter()
        .map(|finding| printable(&finding.name).chars().count())
        .max()
        .unwrap_or_default();
    let line = |finding: &Finding| {
        let mark = match finding {
            Finding { ok: false, .. } => "FAIL",
            Finding { warning: true, .. } => "WARN",
            Finding { .. } => "ok  ",
        };
        let detail = finding
            .detail
            .lines()
            .map(str::trim)
            .collect::<Vec<_>>()
            .join("; ");
        format!("{mark}  {:<width$}  {detail}", printable(&finding.name))
    };
    findings.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn every_finding_is_one_line() {
        let finding = |name: &str, ok, detail: &str| Finding {
            name: name.to_owned(),
            ok,
            warning: false,
            detail: detail.to_owned(),
        };
        let findings = [
            finding("wal_level", true, "logical"),
            finding(
                "kafka brokers",
                false,
                "no answer from b:9092:\n  connection refused",
            ),
            Finding {
                warning: true,
                ..finding("secrets", true, "walcast.toml can be read by others")
            },
        ];
        expect![[r#"
            ok    wal_level      logical
            FAIL  kafka brokers  no answer from b:9092:; connection refused
            WARN  secrets        walcast.toml can be read by others"#]]
        .assert_eq(&lines(&findings).join("\n"));
    }
}
