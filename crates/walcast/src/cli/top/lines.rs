//! Lines of text, on the screen and of `--once`.

use std::cmp::Reverse;

use super::figures::{bytes, duration, rate};
use super::sample::{Outbox, PolledOutbox, Positions, Verification};
use super::view::{Slot, Table, View};
use crate::printable::printable;

/// Order of the tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Order {
    Name,
    #[default]
    Rate,
    Changes,
    DeadLetters,
}

/// Lines about the connector. Names contain no control characters afterwards.
pub(super) fn head(view: &View) -> Vec<String> {
    let mut lines = vec![
        format!(
            "{}  {}  {}  up {}, {} reconnects",
            view.name,
            view.state,
            view.role,
            duration(view.uptime_seconds),
            view.reconnects
        ),
        positions(&view.lsn),
        format!("lag   {:.1} s, {}", view.lag_seconds, bytes(view.lag_bytes)),
        slot(&view.slot),
        format!(
            "rate  {} transactions/s, {} changes/s, Kafka commit {} ms",
            rate(view.transactions_per_second),
            rate(view.changes_per_second),
            rate(view.commit_milliseconds)
        ),
    ];
    if view.snapshot.tables_remaining > 0 {
        lines.push(snapshot(view));
    }
    lines.extend(view.verification.as_ref().map(verification));
    lines.extend(view.outboxes.iter().map(outbox));
    lines.extend(view.polled_outboxes.iter().map(polled_outbox));
    lines.extend(view.error.as_ref().map(|error| format!("error {error}")));
    lines.iter().map(|line| printable(line).into_owned()).collect()
}

/// Positions in their order, from what is confirmed to the end of the WAL.
fn positions(lsn: &Positions) -> String {
    let shown = [
        ("confirmed", &lsn.confirmed),
        ("checkpointed", &lsn.checkpointed),
        ("produced", &lsn.produced),
        ("received", &lsn.received),
        ("server", &lsn.server),
    ];
    let shown = shown.map(|(name, lsn)| format!("{name} {}", lsn.as_deref().unwrap_or("-")));
    format!("LSN   {}", shown.join("  "))
}

fn slot(slot: &Slot) -> String {
    let mut text = format!("slot  retains {}", bytes(slot.retained_bytes));
    if let Some(written) = slot.written_bytes_per_second {
        text.push_str(&format!(", WAL grows {}/s", bytes(written)));
    }
    if let (Some(limit), Some(headroom)) = (&slot.limit, slot.headroom_bytes) {
        text.push_str(&format!(", {} left of {limit}", bytes(headroom)));
    }
    if let Some(seconds) = slot.time_to_limit_seconds {
        text.push_str(&format!(", for {}", duration(seconds)));
    }
    if slot.at_risk {
        text.push_str("  AT RISK");
    }
    text
}

fn snapshot(view: &View) -> String {
    let snapshot = &view.snapshot;
    let mut text = format!(
        "rows  {}, {} tables remaining",
        snapshot.state, snapshot.tables_remaining
    );
    if let Some(rate) = snapshot.rows_per_second {
        text.push_str(&format!(", {rate} rows/s"));
    }
    if let Some(seconds) = snapshot.seconds_remaining {
        text.push_str(&format!(", {} until completion", duration(seconds)));
    }
    text
}

fn verification(verification: &Verification) -> String {
    let age = u64::try_from(verification.age_seconds).unwrap_or(0);
    format!(
        "verify  {}, {} differences, {} ago",
        verification.verdict,
        verification.differences,
        duration(age)
    )
}

fn outbox(outbox: &Outbox) -> String {
    format!(
        "outbox  {}: {} pending, oldest {:.1} s, {} published, {} dead",
        outbox.table, outbox.pending, outbox.oldest_age_seconds, outbox.published, outbox.dead
    )
}

fn polled_outbox(outbox: &PolledOutbox) -> String {
    let age = outbox.oldest_age_seconds;
    format!(
        "outbox  {}: {} pending, oldest {}",
        outbox.table,
        outbox.pending,
        age.map_or_else(|| "-".to_owned(), |age| format!("{age:.1} s"))
    )
}

/// A heading and one line for each table. Names contain no control characters afterwards.
pub(super) fn tables(view: &View, order: Order) -> Vec<String> {
    let mut tables: Vec<&Table> = view.tables.iter().collect();
    match order {
        Order::Name => {}
        // The sort is stable: equal tables stay in name order.
        Order::Rate => tables.sort_by(|one, other| {
            let of = |table: &&Table| table.changes_per_second.unwrap_or(0.0);
            of(other).total_cmp(&of(one))
        }),
        Order::Changes => tables.sort_by_key(|table| Reverse(table.changes)),
        Order::DeadLetters => tables.sort_by_key(|table| Reverse(table.dead_letters)),
    }
    let names: Vec<String> = tables
        .iter()
        .map(|table| printable(&table.table).into_owned())
        .collect();
    let width = names
        .iter()
        .map(|name| name.chars().count())
        .max()
        .unwrap_or(0)
        .max("table".len());
    let mut lines = vec![format!(
        "{:<width$}  {:<15}  {:>10}  {:>12}  {:>12}",
        "table", "state", "changes/s", "changes", "dead letters"
    )];
    lines.extend(tables.iter().zip(&names).map(|(table, name)| {
        format!(
            "{name:<width$}  {:<15}  {:>10}  {:>12}  {:>12}",
            printable(&table.state),
            rate(table.changes_per_second),
            table.changes,
            table.dead_letters
        )
    }));
    lines
}
