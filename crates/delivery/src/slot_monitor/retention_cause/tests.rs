use super::*;
use crate::slot_monitor::forecast::Extent;
use crate::slot_monitor::sample::WalDirectory;
use crate::source_state::WalStatus;

const MB: u64 = 1 << 20;

/// Sample of a slot, given in MB: oldest WAL needed, confirmed position, checkpoint, received position, and end of WAL.
fn held(restart: u64, confirmed: u64, checkpointed: u64, received: u64, end: u64) -> (WalSample, Progress) {
    let lsn = |megabytes: u64| Lsn::new(megabytes * MB);
    let look = WalSample {
        end: lsn(end),
        restart_lsn: Some(lsn(restart)),
        confirmed_flush_lsn: Some(lsn(confirmed)),
        status: Some(WalStatus::Extended),
        keep_size: None,
        safe_wal_size: None,
        inactive: None,
        idle_timeout: None,
        catalog_xmin_age: None,
        awaited_standbys: Vec::new(),
        max_wal_size: 1000 * MB,
        directory: WalDirectory::NotAsked,
    };
    let progress = Progress {
        not_streaming: None,
        snapshot: None,
        received: lsn(received),
        checkpointed: lsn(checkpointed),
    };
    (look, progress)
}

fn of_slot((look, progress): &(WalSample, Progress)) -> Option<RetentionCause> {
    RetentionCause::of_slot(look, progress)
}

#[test]
fn the_largest_part_decides() {
    assert_eq!(
        of_slot(&held(100, 101, 102, 103, 110)),
        None,
        "less than a segment"
    );
    assert_eq!(
        of_slot(&held(100, 101, 102, 150, 200)),
        Some(RetentionCause::Kafka)
    );
    assert_eq!(
        of_slot(&held(100, 101, 102, 102, 200)),
        Some(RetentionCause::Decoding)
    );
    assert_eq!(
        of_slot(&held(100, 101, 190, 195, 200)),
        Some(RetentionCause::Replay)
    );
    assert_eq!(
        of_slot(&held(100, 180, 185, 195, 200)),
        Some(RetentionCause::OpenTransaction)
    );
}

#[test]
fn a_snapshot_or_a_missing_stream_is_the_cause_of_waiting_changes() {
    let (look, progress) = held(100, 101, 102, 150, 200);
    let snapshot = Some(Duration::from_secs(5));
    let reading = (look, Progress { snapshot, ..progress });
    let held = Duration::from_secs(5);
    assert_eq!(of_slot(&reading), Some(RetentionCause::Snapshot { held }));
    let (look, progress) = reading;
    let away = Progress {
        not_streaming: Some("kafka: no broker".to_owned()),
        ..progress
    };
    let why = "kafka: no broker".to_owned();
    assert_eq!(of_slot(&(look, away)), Some(RetentionCause::NotStreaming { why }));
}

#[test]
fn before_the_first_session_unconfirmed_wal_counts_as_undelivered() {
    assert_eq!(
        of_slot(&held(100, 101, 0, 0, 200)),
        Some(RetentionCause::Decoding)
    );
}

#[test]
fn a_full_disk_can_have_other_causes() {
    let of_disk = |retained: u64, directory: u64| {
        let (look, progress) = held(5000 - retained, 5000 - retained, 5000 - retained, 5000, 5000);
        let look = WalSample {
            directory: WalDirectory::Bytes(directory * MB),
            ..look
        };
        let outlook = LimitForecast {
            limit: Limit::Disk,
            extent: Extent::Bytes { limit: 1, room: 0 },
            share: 0.0,
            left: None,
            outage: None,
        };
        RetentionCause::of_limit(&look, &progress, &outlook)
    };
    assert_eq!(of_disk(2000, 3000), Some(RetentionCause::Kafka));
    assert_eq!(of_disk(500, 3000), Some(RetentionCause::Others));
    assert_eq!(of_disk(500, 900), Some(RetentionCause::MaxWalSize));
}

#[test]
fn a_standby_that_does_not_stream_delays_unsent_changes() {
    let (look, progress) = held(100, 101, 102, 102, 200);
    let slots = vec!["standby_1".to_owned(), "standby_2".to_owned()];
    let awaited_standbys = slots.clone();
    let waits = WalSample {
        awaited_standbys,
        ..look
    };
    let holder = RetentionCause::of_slot(&waits, &progress).unwrap();
    assert_eq!(holder, RetentionCause::Standbys { slots });
    // Changes that were sent no longer wait for standbys.
    let (look, progress) = held(100, 101, 102, 150, 200);
    let look = WalSample {
        awaited_standbys: waits.awaited_standbys,
        ..look
    };
    assert_eq!(
        RetentionCause::of_slot(&look, &progress),
        Some(RetentionCause::Kafka)
    );
}
