//! Backlog of an outbox: rows to be sent, and the transaction for which they wait.

use std::time::Duration;

use walcast_delivery::{Backlog, GateHolder};

use super::statements::Statements;
use super::transaction::{self, Texts};
use crate::connect::SqlSession;
use crate::error::PostgresError;

const DOING: &str = "reading the backlog of an outbox";

/// Reads the backlog of an outbox.
pub(super) async fn read(session: &SqlSession, statements: &Statements) -> Result<Backlog, PostgresError> {
    transaction::begin(session).await?;
    let backlog = of_transaction(session, statements).await;
    // After an error too: the session is used again.
    let ended = transaction::roll_back(session).await;
    let backlog = backlog?;
    ended?;
    Ok(backlog)
}

async fn of_transaction(session: &SqlSession, statements: &Statements) -> Result<Backlog, PostgresError> {
    let counts = transaction::texts(&session.client, DOING, &statements.backlog()).await?;
    let writer = transaction::texts(&session.client, DOING, &statements.oldest_writer()).await?;
    let counts = counts.first();
    let number = |place: usize| counts.and_then(|row| row.get(place)).and_then(Option::as_deref);
    Ok(Backlog {
        pending: number(0).and_then(|text| text.parse().ok()).unwrap_or(0),
        oldest: number(1).and_then(seconds),
        gate: writer.into_iter().next().map(holder),
    })
}

/// Duration in seconds, as the server prints it. Clocks may differ a little.
fn seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.parse().ok()?;
    Duration::try_from_secs_f64(seconds.max(0.0)).ok()
}

/// Row of [`Statements::oldest_writer`].
fn holder(row: Texts) -> GateHolder {
    let mut fields = row.into_iter();
    let mut next = || fields.next().flatten();
    GateHolder {
        pid: next().and_then(|pid| pid.parse().ok()),
        xid: next(),
        age: next().as_deref().and_then(seconds),
        application_name: next().unwrap_or_default(),
        state: next().unwrap_or_default(),
        query_start: next(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use walcast_delivery::GateHolder;

    use super::{holder, seconds};

    #[test]
    fn a_transaction_that_the_role_may_not_see_is_named_by_its_process() {
        let text = |text: &str| Some(text.to_owned());
        let row = vec![text("7"), text("815"), None, text(""), text(""), None];
        let expected = GateHolder {
            pid: Some(7),
            xid: text("815"),
            ..GateHolder::default()
        };
        assert_eq!(holder(row), expected);
        assert_eq!(seconds("61.500000"), Some(Duration::from_millis(61_500)));
        assert_eq!(seconds("-0.002"), Some(Duration::ZERO));
        assert_eq!(seconds("NaN"), Some(Duration::ZERO));
        assert_eq!(seconds(""), None);
    }
}
