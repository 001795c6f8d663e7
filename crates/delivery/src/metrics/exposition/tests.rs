mod manual;

use expect_test::expect;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::registry::Registry;
use walcast_pgoutput::Lsn;

use super::ConnectorCollector;
use crate::metrics::Metrics;
use crate::position::positions::Positions;
use crate::session::status::Status;
use crate::state::ConnectorState;
use crate::state::role::{ForeignHolder, Role};

/// Lines of `/metrics` that satisfy a condition.
fn lines(state: &ConnectorState, is_wanted: impl Fn(&str) -> bool) -> String {
    let mut registry = Registry::with_prefix("walcast");
    registry.register_collector(Box::new(ConnectorCollector::new(
        Metrics::default(),
        state.clone(),
    )));
    let mut text = String::new();
    encode_registry(&mut text, &registry).unwrap();
    let wanted = text.lines().filter(|line| is_wanted(line));
    wanted.map(|line| format!("{line}\n")).collect()
}

/// Names, helps, types and units are part of the public surface.
#[test]
fn descriptors_are_as_documented() {
    let descriptors = lines(&ConnectorState::default(), |line| line.starts_with('#'));
    expect![[r#"
        # HELP walcast_received_lsn End of the last transaction read, as a byte position.
        # TYPE walcast_received_lsn gauge
        # HELP walcast_produced_lsn End of the last transaction passed to the producer.
        # TYPE walcast_produced_lsn gauge
        # HELP walcast_checkpointed_lsn End of the last transaction in Kafka.
        # TYPE walcast_checkpointed_lsn gauge
        # HELP walcast_confirmed_lsn Position up to which the slot is confirmed.
        # TYPE walcast_confirmed_lsn gauge
        # HELP walcast_server_lsn End of the server's WAL at the last inspection.
        # TYPE walcast_server_lsn gauge
        # HELP walcast_lag_bytes WAL between the checkpoint and the end of the server's WAL.
        # TYPE walcast_lag_bytes gauge
        # UNIT walcast_lag_bytes bytes
        # HELP walcast_lag_seconds Time from the source commit to the Kafka commit of the last transaction.
        # TYPE walcast_lag_seconds gauge
        # UNIT walcast_lag_seconds seconds
        # HELP walcast_slot_retained_bytes WAL retained by the slot.
        # TYPE walcast_slot_retained_bytes gauge
        # UNIT walcast_slot_retained_bytes bytes
        # HELP walcast_slot_catalog_xmin_age Age in transactions of the oldest catalog rows that the slot keeps from VACUUM.
        # TYPE walcast_slot_catalog_xmin_age gauge
        # HELP walcast_wal_written_bytes_per_second WAL written by the server, mean of the last minutes.
        # TYPE walcast_wal_written_bytes_per_second gauge
        # HELP walcast_wal_directory_bytes Size of pg_wal, 0 if not known.
        # TYPE walcast_wal_directory_bytes gauge
        # UNIT walcast_wal_directory_bytes bytes
        # HELP walcast_slot_awaited_standbys Slots of synchronized_standby_slots from which no standby streams; the server sends no changes meanwhile.
        # TYPE walcast_slot_awaited_standbys gauge
        # HELP walcast_bookmarks Bookmarks at the last inspection.
        # TYPE walcast_bookmarks gauge
        # HELP walcast_bookmarks_dropped Bookmarks dropped because of the WAL budget or because the server invalidated them.
        # TYPE walcast_bookmarks_dropped counter
        # HELP walcast_publication_drift Findings that keep changes of captured tables from arriving.
        # TYPE walcast_publication_drift gauge
        # HELP walcast_partition_changes Times that partitions of captured tables brought or removed rows without events.
        # TYPE walcast_partition_changes counter
        # HELP walcast_tables Captured tables by state.
        # TYPE walcast_tables gauge
        # HELP walcast_leading 1 while this instance leads.
        # TYPE walcast_leading gauge
        # HELP walcast_standing_by 1 while another instance leads and this one waits.
        # TYPE walcast_standing_by gauge
        # HELP walcast_leadership_blocked 1 while a session that is not an instance of the connector holds the leadership lock.
        # TYPE walcast_leadership_blocked gauge
        # HELP walcast_role_since_timestamp_seconds Time of the last role change.
        # TYPE walcast_role_since_timestamp_seconds gauge
        # HELP walcast_takeovers Takeovers: times this instance became the leader after being a standby.
        # TYPE walcast_takeovers counter
        # HELP walcast_last_takeover_timestamp_seconds Time of the last takeover.
        # TYPE walcast_last_takeover_timestamp_seconds gauge
        # HELP walcast_takeover_duration_seconds Time from leadership to the stream at the last takeover.
        # TYPE walcast_takeover_duration_seconds gauge
        # HELP walcast_streaming 1 while streaming.
        # TYPE walcast_streaming gauge
        # HELP walcast_snapshot_tables_remaining Tables with rows that are still to be read.
        # TYPE walcast_snapshot_tables_remaining gauge
        # HELP walcast_snapshot_table_remaining_bytes Approximate size of the unread part of the table that is being read.
        # TYPE walcast_snapshot_table_remaining_bytes gauge
        # UNIT walcast_snapshot_table_remaining_bytes bytes
        # HELP walcast_transactions Source transactions delivered.
        # TYPE walcast_transactions counter
        # HELP walcast_received_bytes Read from the stream.
        # TYPE walcast_received_bytes counter
        # UNIT walcast_received_bytes bytes
        # HELP walcast_produced_bytes Keys and values produced.
        # TYPE walcast_produced_bytes counter
        # UNIT walcast_produced_bytes bytes
        # HELP walcast_kafka_commit_seconds Duration of Kafka commits.
        # TYPE walcast_kafka_commit_seconds histogram
        # UNIT walcast_kafka_commit_seconds seconds
        # HELP walcast_delivery_seconds Source commit to Kafka commit.
        # TYPE walcast_delivery_seconds histogram
        # UNIT walcast_delivery_seconds seconds
        # HELP walcast_reconnects Restarts of the stream after a failure.
        # TYPE walcast_reconnects counter
        # HELP walcast_snapshot_rows Existing rows passed to the producer.
        # TYPE walcast_snapshot_rows counter
        # HELP walcast_snapshot_failures Tables whose existing rows were skipped.
        # TYPE walcast_snapshot_failures counter
    "#]].assert_eq(&descriptors);
}

#[test]
fn gauges_follow_the_state() {
    let state = ConnectorState::default();
    let is_gauge = |line: &str| !line.starts_with('#') && !line.ends_with(" 0") && !line.ends_with(" 0.0");
    assert_eq!(lines(&state, is_gauge), "");

    state.status.set(Status::Streaming);
    state.role.set(Role::Standby);
    state.role.set(Role::Leader);
    state.role.set_foreign_holder(Some(ForeignHolder {
        pid: None,
        role: String::new(),
        application_name: String::new(),
        mode: "ExclusiveLock".to_owned(),
    }));
    state.role.streams_after(std::time::Duration::from_millis(1500));
    let mut positions = Positions::new(Lsn::new(200), Lsn::new(100));
    positions.receive(Lsn::new(400));
    positions.produce(Lsn::new(300));
    state.positions.publish(&positions);
    state.positions.set_server_end(Lsn::new(1000));
    let is_stable = |line: &str| is_gauge(line) && !line.contains("timestamp");
    expect![[r#"
        walcast_received_lsn 400
        walcast_produced_lsn 300
        walcast_checkpointed_lsn 200
        walcast_confirmed_lsn 100
        walcast_server_lsn 1000
        walcast_lag_bytes 800
        walcast_leading 1
        walcast_leadership_blocked 1
        walcast_takeovers_total 1
        walcast_takeover_duration_seconds 1.5
        walcast_streaming 1
    "#]]
    .assert_eq(&lines(&state, is_stable));
}
