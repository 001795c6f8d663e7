//! Sampling of lag and rates, and the renewal of the metrics of consumer groups.

use std::collections::BTreeMap;
use std::time::Instant;

use jiff::Timestamp;
use tokio::time::{MissedTickBehavior, interval};
use tracing::debug;
use walcast_delivery::Metrics;

use super::consumers;
use crate::admin::changes;
use crate::connector_handle::ConnectorHandle;
use crate::samples::{INTERVAL, Totals};

/// Changes by table. The metrics library cannot fail to write into a string.
pub(super) fn changes(metrics: &Metrics) -> BTreeMap<String, u64> {
    let counts = changes::by_table(&metrics.changes).unwrap_or_default();
    let total = |(table, of_table): (String, BTreeMap<String, u64>)| (table, of_table.values().sum());
    counts.into_iter().map(total).collect()
}

/// Dead letters by table, then by reason.
pub(super) fn dead_letters(metrics: &Metrics) -> changes::Counts {
    changes::dead_letters_by_table(&metrics.dead_letters).unwrap_or_default()
}

/// Takes a sample of a connector every few seconds, until dropped. The counters are read as a scrape of `/metrics` reads them, so that
/// nothing is done for a change.
pub(in crate::admin) async fn sample(connector: &ConnectorHandle) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        take(connector);
    }
}

/// Takes one sample.
pub(super) fn take(connector: &ConnectorHandle) {
    let (metrics, lag) = (&connector.metrics, connector.state.lag());
    let totals = Totals {
        at: Instant::now(),
        changes: changes(metrics),
        transactions: metrics.transactions.get(),
        produced_bytes: metrics.produced_bytes.get(),
    };
    let now = Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap_or_default();
    connector
        .samples
        .add(now, (lag.time.as_secs_f64(), lag.bytes), totals);
}

/// Renews the metrics of consumer groups at the configured interval, until dropped. Only the instance that delivers reads them.
pub(in crate::admin) async fn renew_consumers(connector: &ConnectorHandle) {
    let settings = connector.settings.as_ref();
    let Some(every) = settings.and_then(|settings| settings.lag_interval) else {
        return std::future::pending().await;
    };
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if !connector.state.status.is_streaming() {
            connector.consumers.clear();
            continue;
        }
        let view = consumers::renew(connector).await;
        match (view.error, view.value) {
            (None, Some(report)) => connector.consumers.set(&report),
            (error, _) => {
                debug!(error, "the lag of consumer groups is not known");
                connector.consumers.clear();
            }
        }
    }
}
