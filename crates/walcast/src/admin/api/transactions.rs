//! `/api/v1/transactions`.

use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use jiff::Timestamp;
use serde::Serialize;
use walcast_delivery::{DeliveredTransaction, TRANSACTIONS_KEPT};

use crate::admin::addressed::Addressed;
use crate::admin::rejected::error;
use crate::connector_handle::ConnectorHandle;

/// Number of transactions in a response, unless the request names one.
const LIMIT: usize = 100;

/// Delivered transactions.
#[derive(Debug, Serialize)]
pub(super) struct Transactions {
    delivered_total: u64,
    capacity: usize,
    transactions: Vec<Transaction>,
}

#[derive(Debug, Serialize)]
struct Transaction {
    xid: u32,
    commit_lsn: String,
    end_lsn: String,
    committed: Option<String>,
    delivered: Option<String>,
    delay_seconds: f64,
    changes: u64,
    topics: Vec<String>,
    has_further_records: bool,
    context: Option<String>,
}

pub(super) async fn transactions(Addressed(connector): Addressed, RawQuery(query): RawQuery) -> Response {
    match limit(query.as_deref()) {
        Some(limit) => Json(Transactions::of(&connector, limit)).into_response(),
        None => error(
            StatusCode::BAD_REQUEST,
            &format!("the only parameter is limit, a number from 1 to {TRANSACTIONS_KEPT}"),
        ),
    }
}

/// Number of transactions that a query asks for; `None` for another query.
fn limit(query: Option<&str>) -> Option<usize> {
    match query {
        None | Some("") => Some(LIMIT),
        Some(query) => {
            let limit = query.strip_prefix("limit=")?.parse().ok()?;
            (1..=TRANSACTIONS_KEPT).contains(&limit).then_some(limit)
        }
    }
}

impl Transactions {
    pub(super) fn of(connector: &ConnectorHandle, limit: usize) -> Self {
        let last = connector.state.transactions.last(limit);
        Self {
            delivered_total: connector.metrics.transactions.get(),
            capacity: TRANSACTIONS_KEPT,
            transactions: last.into_iter().map(Transaction::of).collect(),
        }
    }
}

impl Transaction {
    fn of(delivered: DeliveredTransaction) -> Self {
        let position = delivered.position;
        let (committed, at) = (
            position.commit_time_unix_micros,
            delivered.delivered.unix_micros(),
        );
        // The clock of the server may be ahead.
        let delay = at.saturating_sub(committed).max(0);
        Self {
            xid: position.xid,
            commit_lsn: position.commit_lsn.to_string(),
            end_lsn: position.end_lsn.to_string(),
            committed: instant(committed),
            delivered: instant(at),
            delay_seconds: delay as f64 / 1e6,
            changes: delivered.changes,
            topics: delivered.topics,
            has_further_records: delivered.has_further_records,
            context: delivered.context,
        }
    }
}

/// Time in UTC, in milliseconds.
fn instant(unix_micros: i64) -> Option<String> {
    let time = Timestamp::from_millisecond(unix_micros.div_euclid(1_000)).ok()?;
    Some(time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_cannot_be_is_rejected() {
        for (query, wanted) in [
            (None, Some(100)),
            (Some(""), Some(100)),
            (Some("limit=1"), Some(1)),
            (Some("limit=1000"), Some(1000)),
            (Some("limit=0"), None),
            (Some("limit=1001"), None),
            (Some("limit=-1"), None),
            (Some("limit=1&limit=2"), None),
            (Some("offset=1"), None),
        ] {
            assert_eq!(limit(query), wanted, "{query:?}");
        }
    }
}
