//! `walcast check`: checks all preconditions of a start.

mod bookmarks;
mod context;
mod finding;
mod first_start;
mod fix;
mod outboxes;
mod plans;
mod polled;
mod position;
mod promised;
mod quarantined;
mod script;

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use walcast_delivery::{CheckpointLog, CheckpointStore, Halt, Precondition, SourceState, topic_findings};
use walcast_mapper::names;
use walcast_pgoutput::Oid;

pub(super) use self::finding::Finding;
use self::first_start::rows_of_first_start;
pub(super) use self::first_start::size;
use self::position::position;
use super::config_args::ConfigArgs;
use crate::admin::{self, StoredToken};
use crate::config::{Config, Exposed};
use crate::exit::{Exit, Rejection, help_end};
use crate::printable::printable;
use crate::remedy::describe;
use crate::selection::{self, Unmatched};
use crate::stdout::stdout;
use crate::wiring;

/// Check every precondition of the connector, one line each, with the fix
///
/// Nothing is created and a running connector is not disturbed, except by --fix.
#[derive(Debug, Args)]
#[command(after_help = help_end!(
    "  walcast check --config walcast.toml\n\
     \x20 walcast check --json | jq '.[] | select(.ok | not)'\n\
     \x20 walcast check --sql | psql -d shop      as an administrator: what the connector may not create itself\n\
     \x20 walcast check --fix                     the same, as far as the connector's own role may"
))]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,

    /// Print only the SQL that an administrator has to run before the first start: privileges, publication and slot, in order
    #[arg(long, conflicts_with = "json")]
    pub(crate) sql: bool,

    /// Show that SQL, execute what the role of the connector may execute, and print the result of each statement
    #[arg(long, conflicts_with = "sql")]
    pub(crate) fix: bool,

    /// Do not ask for confirmation
    #[arg(long, requires = "fix")]
    pub(crate) yes: bool,
}

pub(crate) async fn check(config: Config, args: CheckArgs) -> anyhow::Result<Exit> {
    let CheckArgs {
        json, sql, fix, yes, ..
    } = args;
    if sql {
        return script::print(&config).await;
    }
    if fix {
        return fix::fix(&config, yes, json).await;
    }
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
    if !config.polled.is_empty() {
        let mut findings = polled::findings(config).await?;
        findings.extend(admin_token(config));
        findings.extend(secrets(&config.exposed));
        return Ok(findings);
    }
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
        findings.extend(context::finding(&mapper.context, source_state));
        findings.extend(bookmarks::findings(config).await);
        findings.extend(outboxes::findings(config, source_state, log.as_ref()).await);
    }
    findings.extend(selections(config, log.as_ref()).await);
    let captured = source_state
        .iter()
        .flat_map(|source_state| &source_state.captured);
    let with_topic = captured.filter(|table| !mapper.sends_events(&table.name));
    let topics: Vec<String> = with_topic
        .map(|table| names::topic(mapper, &table.name))
        .collect();
    let preconditions = walcast_kafka::preconditions(&config.kafka, config.registry.as_ref(), &topics).await;
    findings.extend(preconditions.into_iter().map(Finding::from));
    if let Some(source_state) = &source_state {
        let relations = walcast_postgres::captured_relations(postgres, source_state).await;
        // A table whose key is not sent is one of the preconditions of Postgres.
        let captured = source_state.captured.iter();
        let unsent = captured.filter(|table| !table.unsent_key_columns.is_empty());
        let unsent: BTreeSet<Oid> = unsent.map(|table| table.oid).collect();
        let mut relations = relations.unwrap_or_default();
        relations.retain(|(relation, _)| !unsent.contains(&relation.oid));
        findings.extend(plans::findings(config, &relations).await);
    }
    if let (Some(source_state), Some(log)) = (&source_state, &log) {
        findings.push(position(config, source_state, log).await);
        findings.extend(rows_of_first_start(config, source_state, log).await);
        promised::fail_for_promised(&mut findings, source_state, log);
        findings.extend(quarantined::findings(log));
        findings.extend(restrictions(source_state, log, &config.postgres.publication));
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

/// Selections of the configuration that match nothing; one finding if each matches something. If the query fails, the other findings
/// contain the reason.
async fn selections(config: &Config, log: Option<&CheckpointLog>) -> Vec<Finding> {
    let Ok(Some(existing)) = selection::existing(config).await else {
        return Vec::new();
    };
    let none = BTreeMap::new();
    let history = log.map_or(&none, |log| &log.schemas);
    let unmatched = selection::unmatched(config, &existing, history);
    if unmatched.is_empty() {
        return vec![Finding {
            name: "patterns of the configuration".to_owned(),
            ok: true,
            warning: false,
            detail: "each matches something in the database".to_owned(),
        }];
    }
    let finding = |unmatched: &Unmatched| Finding {
        name: unmatched.key.to_owned(),
        ok: !unmatched.is_error(),
        warning: !unmatched.is_error(),
        detail: unmatched.to_string(),
    };
    unmatched.iter().map(finding).collect()
}

/// Findings about row filters and column lists that the publication did not have when its tables were captured.
fn restrictions(source_state: &SourceState, log: &CheckpointLog, publication: &str) -> Vec<Finding> {
    let after = log
        .current
        .as_ref()
        .map_or(source_state.flush_lsn, |current| current.end_lsn);
    let known = log.restrictions.iter();
    known
        .flat_map(|known| known.findings(source_state, publication, after))
        .map(|found| Finding {
            name: format!("publication {publication}"),
            ok: true,
            warning: true,
            detail: describe(&found.finding),
        })
        .collect()
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
