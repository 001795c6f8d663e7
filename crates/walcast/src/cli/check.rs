//! `walcast check`: is everything set up?

use clap::Args;
use serde::Serialize;
use walcast_delivery::{
    CheckpointLog, CheckpointState, Halt, Survey, publication_findings, resume_position, usable_slot,
};
use walcast_kafka::CheckpointReader;
use walcast_pgoutput::Lsn;

use super::ConfigArgs;
use crate::config::{Config, Exposed};
use crate::exit::{Exit, Refusal, help_end};
use crate::stdout::stdout;
use crate::wiring;

/// Check everything that must hold before the connector can run, one line each, with the fix
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

/// One thing that must hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    /// What it is, such as `kafka brokers`.
    name: String,
    ok: bool,
    /// Whether it holds, but somebody should look at it all the same.
    warning: bool,
    /// What was seen, or what is wrong and how to put it right.
    detail: String,
}

impl From<walcast_kafka::Precondition> for Finding {
    fn from(found: walcast_kafka::Precondition) -> Self {
        let (ok, detail) = match found.outcome {
            walcast_kafka::Outcome::Holds(seen) => (true, seen),
            walcast_kafka::Outcome::Fails(wrong) => (false, wrong),
        };
        Self {
            name: found.name,
            ok,
            warning: false,
            detail,
        }
    }
}

impl From<walcast_postgres::Precondition> for Finding {
    fn from(found: walcast_postgres::Precondition) -> Self {
        let (ok, detail) = match found.outcome {
            walcast_postgres::Outcome::Ok(seen) => (true, seen),
            walcast_postgres::Outcome::Failed { why, fix } => (false, format!("{why}; {fix}")),
        };
        Self {
            name: format!("postgres {}", found.name),
            ok,
            warning: false,
            detail,
        }
    }
}

pub(crate) async fn check(config: Config, json: bool) -> anyhow::Result<Exit> {
    let findings = findings(&config).await?;
    let mut output = stdout();
    output.line(&if json {
        serde_json::to_string_pretty(&findings)?
    } else {
        lines(&findings)
    })?;
    output.flush()?;
    match findings.iter().filter(|finding| !finding.ok).count() {
        0 => Ok(Exit::Done),
        failed => Err(Refusal::Checks {
            failed,
            all: findings.len(),
        }
        .into()),
    }
}

/// Everything that can be seen without disturbing anybody: Postgres first, then Kafka and the registry, then whether the
/// position in the one fits the other.
async fn findings(config: &Config) -> anyhow::Result<Vec<Finding>> {
    let (postgres, kafka) = (wiring::postgres(config), wiring::kafka(config)?);
    let preconditions = walcast_postgres::preconditions(&postgres).await?;
    let mut findings: Vec<Finding> = preconditions.into_iter().map(Finding::from).collect();

    // Why one of these does not answer is among the other findings. A connector that runs moves on meanwhile: the end of the
    // log first, then the checkpoint, then the slot. Looked at the other way round, they fit if they are in order.
    let before = walcast_postgres::look(&postgres, None).await.ok();
    let log = CheckpointReader::new(kafka.clone()).read().await.ok();
    let timeline = log
        .as_ref()
        .and_then(|log| log.current.as_ref())
        .map(|current| current.timeline);
    let after = walcast_postgres::look(&postgres, timeline).await.ok();
    let survey = after.map(|after| Survey {
        slot: before.and_then(|before| before.slot).or(after.slot),
        ..after
    });

    let mapper = wiring::mapper(config);
    let captured = survey.iter().flat_map(|survey| &survey.captured);
    let topics: Vec<String> = captured.map(|table| mapper.topic(&table.name)).collect();
    let registry = wiring::registry(config);
    let preconditions = walcast_kafka::preconditions(&kafka, registry.as_ref(), &topics).await;
    findings.extend(preconditions.into_iter().map(Finding::from));
    if let (Some(survey), Some(log)) = (&survey, &log) {
        findings.push(position(
            survey,
            log,
            &config.postgres.slot,
            &config.postgres.publication,
        ));
    }
    findings.extend(secrets(&config.exposed));
    Ok(findings)
}

/// Whether others can get at secrets: one line where they cannot.
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
            "no file with one can be read by others".to_owned(),
        )];
    }
    exposed
        .iter()
        .map(|exposed| finding(true, exposed.to_string()))
        .collect()
}

/// Whether a start would go on without losing or doubling changes.
fn position(survey: &Survey, log: &CheckpointLog, slot: &str, publication: &str) -> Finding {
    let found = match (&log.current, &survey.slot) {
        (None, None) => Ok("the first start begins with what is committed from then on".to_owned()),
        (Some(current), None) if current.state == CheckpointState::CreatingSlot => {
            Ok("the first start was cut short and is begun again".to_owned())
        }
        (Some(current), _) => resume_position(survey, current, slot).and_then(|from| {
            // Created only at the first start: what was written without it has been missed.
            let findings = publication_findings(survey, publication).into_iter();
            let mut missing = findings.filter(|finding| matches!(finding, Halt::PublicationMissing { .. }));
            missing
                .next()
                .map_or_else(|| Ok(format!("a start goes on at {from}")), Err)
        }),
        (None, Some(state)) => usable_slot(survey, state, Lsn::INVALID).and_then(|confirmed| {
            Err(Halt::SlotWithoutCheckpoint {
                slot: slot.to_owned(),
                confirmed,
            })
        }),
    };
    let ok = found.is_ok();
    let detail = found.unwrap_or_else(|halt| halt.to_string());
    Finding {
        name: "position".to_owned(),
        ok,
        warning: false,
        detail,
    }
}

/// One line for each, what fails or needs a look in capitals.
fn lines(findings: &[Finding]) -> String {
    let width = findings
        .iter()
        .map(|finding| finding.name.chars().count())
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
        format!("{mark}  {:<width$}  {detail}", finding.name)
    };
    findings.iter().map(line).collect::<Vec<_>>().join("\n")
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
        .assert_eq(&lines(&findings));
    }
}
