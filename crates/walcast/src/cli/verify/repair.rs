//! The repair of rows that differ: the running connector delivers them once more.
//!
//! Nothing is written to a topic by the command itself. The connector reads the current rows at their place in WAL order, as
//! `walcast snapshot start` has it do, and writes a delete for a key that no row has, as `walcast dlq redeliver` does: behind every
//! change before that place, before every change after it. A row that changed since the comparison is thus delivered as it is now.

mod batch;
mod connector;
mod plan;
mod report;

use walcast_verify::Verdict;

use self::batch::batches;
pub(super) use self::connector::Connector;
use self::connector::Delivered;
use self::plan::{Rows, keys, plan, sends_deletes};
use self::report::{RepairReport, Repaired};
use super::report::{Report, exit};
use super::request::{Answer, Request};
use crate::exit::Exit;
use crate::remedy::describe;
use crate::stdout::stdout;

/// Repairs the differences of a comparison, compares the repaired rows again, and prints both. Without a connector it only prints what
/// would be repaired.
pub(super) async fn repair(
    request: &Request<'_>,
    connector: Option<&Connector>,
    before: Report,
    json: bool,
) -> anyhow::Result<Exit> {
    request.store(&before).await?;
    let (rows, not_repaired) = plan(sends_deletes(&request.config.mapper), &before.differences);
    let mut repaired = Repaired {
        is_dry_run: connector.is_none(),
        not_repaired,
        ..Repaired::default()
    };
    let again = keys(&before.differences, &rows);
    let ended = match connector {
        None => {
            repaired.count(rows.values().flatten());
            Ok(None)
        }
        Some(_) if rows.is_empty() => Ok(None),
        Some(connector) => {
            let delivered = deliver(connector, rows, &before, &mut repaired).await;
            match delivered {
                Ok(()) => Box::pin(request.compare(Some(&again))).await.map(Some),
                Err(error) => Err(error),
            }
        }
    };
    let (after, reason, failure) = match ended {
        Ok(None) => (None, None, None),
        Ok(Some(Answer::Report(report))) => (Some(report), None, None),
        Ok(Some(Answer::Behind(reason))) => (None, Some(reason), None),
        Err(error) => (None, Some(describe(error.as_ref())), Some(error)),
    };
    let report = RepairReport {
        before: &before,
        repair: &repaired,
        after: after.as_deref(),
        reason: reason.as_deref(),
    };
    let mut output = stdout();
    match json {
        true => output.json(&report)?,
        false => output.lines(report.lines())?,
    };
    output.flush()?;
    if let Some(after) = &after {
        request.store(after).await?;
    }
    Ok(match (connector, reason, failure) {
        (_, _, Some(error)) => Exit::of(&error),
        (None, _, None) => exit(before.certificate.verdict),
        (Some(_), Some(_), None) => Exit::Undecided,
        (Some(_), None, None) => exit(verdict(&before, &repaired, after.as_deref())),
    })
}

/// Has the rows delivered, and notes what was done and what the connector rejects, also if it cannot be reached any more.
async fn deliver(
    connector: &Connector,
    rows: Rows,
    before: &Report,
    repaired: &mut Repaired,
) -> anyhow::Result<()> {
    let mut delivered = Delivered::default();
    let ended = connector.deliver(batches(rows), &mut delivered).await;
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    repaired.read += number(delivered.read);
    repaired.deleted += number(delivered.deleted);
    repaired.refuse(&before.differences, &delivered.refused);
    ended
}

/// What is known of all rows after a repair. Records in the wrong order stay where they are, before those of the repair.
fn verdict(before: &Report, repaired: &Repaired, after: Option<&Report>) -> Verdict {
    let is_different = after.is_some_and(|after| after.certificate.verdict == Verdict::Different);
    if is_different || !repaired.not_repaired.is_empty() || before.unlisted_rows() > 0 {
        return Verdict::Different;
    }
    let is_undecided = after.is_some_and(|after| after.certificate.verdict == Verdict::Undecided);
    match is_undecided || before.certificate.has_undecided() {
        true => Verdict::Undecided,
        false => Verdict::Identical,
    }
}
