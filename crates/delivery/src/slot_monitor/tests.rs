use std::collections::VecDeque;

use expect_test::expect;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::registry::Registry;
use walcast_pgoutput::Lsn;

use super::*;
use crate::metrics::Metrics;
use crate::metrics::exposition::ConnectorCollector;
use crate::port_error::{BoxedPortError, Disposition, PortError};

const MB: u64 = 1 << 20;

#[derive(Debug, thiserror::Error)]
#[error("the connection is broken")]
struct Broken;

impl PortError for Broken {
    fn disposition(&self) -> Disposition {
        Disposition::Retry
    }
}

/// Probe that returns these results, sample by sample.
struct FakeProbe(VecDeque<Result<Option<WalSample>, Broken>>);

impl WalWatch for FakeProbe {
    async fn sample(&mut self) -> Result<Option<WalSample>, BoxedPortError> {
        Ok(self.0.pop_front().unwrap_or(Ok(None))?)
    }
}

/// Sample with a limit of 1000 MB and this headroom.
fn sample(room_mb: u64) -> WalSample {
    let end = Lsn::new((2000 - room_mb) * MB);
    WalSample {
        end,
        restart_lsn: Some(Lsn::new(500 * MB)),
        confirmed_flush_lsn: Some(Lsn::new(500 * MB)),
        status: None,
        keep_size: Some(1000 * MB),
        safe_wal_size: i64::try_from(room_mb * MB).ok(),
        inactive: None,
        idle_timeout: None,
        catalog_xmin_age: Some(7),
        awaited_standbys: Vec::new(),
        max_wal_size: 100 * MB,
        directory: WalDirectory::NotAsked,
    }
}

/// State after a monitor has taken these samples, one every ten seconds.
async fn after(samples: impl IntoIterator<Item = Result<Option<WalSample>, Broken>>) -> ConnectorState {
    let probe = FakeProbe(samples.into_iter().collect());
    let count = u32::try_from(probe.0.len()).unwrap();
    let state = ConnectorState::default();
    state.status.set(Status::Retrying {
        error: "kafka: no broker answers".to_owned(),
        delay: Some(Duration::from_secs(1)),
    });
    let interval = Duration::from_secs(10);
    let config = SlotMonitorConfig {
        slot: "walcast_shop".to_owned(),
        interval,
        warn_within: Duration::from_secs(3600),
        wal_disk_size: None,
    };
    let text = |cause: &RetentionCause| RetentionText {
        cause: format!("{cause:?}"),
        remedy: "",
    };
    let slot_monitor = SlotMonitor::new(probe, config, state.clone(), Describe::default(), text);
    let limit = interval * count - interval / 2;
    assert!(tokio::time::timeout(limit, slot_monitor.run()).await.is_err());
    state
}

/// Series of `/metrics` about the slot, without the descriptors.
fn series(state: &ConnectorState) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(ConnectorCollector::new(
        Metrics::default(),
        state.clone(),
    )));
    let mut text = String::new();
    encode_registry(&mut text, &registry).unwrap();
    let lines = text.lines();
    let series = lines.filter(|line| line.starts_with("slot_") || line.starts_with("wal_"));
    series.map(|line| format!("{line}\n")).collect()
}

#[tokio::test(start_paused = true)]
async fn shows_a_limit_that_is_near_and_its_retention_cause() {
    let state = after([900, 890, 880, 870, 860].map(|room| Ok(Some(sample(room))))).await;
    let view = state.wal.read().unwrap();
    let (outlook, is_near) = view.limits[0];
    assert!(is_near, "{outlook:?}");
    assert_eq!(outlook.left, Some(Duration::from_secs(860)));
    assert!(
        matches!(&view.holder, Some(RetentionCause::NotStreaming { why }) if why == "kafka: no broker answers"),
        "{view:?}"
    );
    // The end of WAL is known although no stream runs.
    assert_eq!(state.positions.read().server_end, view.look.end);
    expect![[r#"
        slot_retained_bytes 671088640
        slot_catalog_xmin_age 7
        wal_written_bytes_per_second 1048576.0
        wal_directory_bytes 0
        slot_awaited_standbys 0
        slot_headroom_bytes{limit="max_slot_wal_keep_size"} 901775360
        slot_time_to_limit_seconds{limit="max_slot_wal_keep_size"} 860.0
        slot_outage_budget_seconds{limit="max_slot_wal_keep_size"} 860.0
        slot_at_risk{limit="max_slot_wal_keep_size"} 1
    "#]]
    .assert_eq(&series(&state));
}

#[tokio::test(start_paused = true)]
async fn series_of_limits_are_removed_when_sampling_stops() {
    for blind in [Ok(None), Err(Broken)] {
        let state = after([Ok(Some(sample(900))), Ok(Some(sample(100))), blind]).await;
        assert_eq!(state.wal.read(), None);
        expect![[r#"
            slot_retained_bytes 1468006400
            slot_catalog_xmin_age 7
            wal_written_bytes_per_second 83886080.0
            wal_directory_bytes 0
            slot_awaited_standbys 0
        "#]]
        .assert_eq(&series(&state));
    }
}
