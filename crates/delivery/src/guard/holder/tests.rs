use super::*;
use crate::{Extent, WalDirectory, WalStatus};

const MB: u64 = 1 << 20;

/// The slot's oldest log, what it was told, what is in Kafka, what was read, and the end of the log, in MB.
fn held(restart: u64, confirmed: u64, checkpointed: u64, received: u64, end: u64) -> (WalLook, Progress) {
    let lsn = |megabytes: u64| Lsn::new(megabytes * MB);
    let look = WalLook {
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

fn of_slot((look, progress): &(WalLook, Progress)) -> Option<Holder> {
    Holder::of_slot(look, progress)
}

#[test]
fn the_largest_part_is_to_blame() {
    assert_eq!(
        of_slot(&held(100, 101, 102, 103, 110)),
        None,
        "less than a segment"
    );
    assert_eq!(of_slot(&held(100, 101, 102, 150, 200)), Some(Holder::Kafka));
    assert_eq!(of_slot(&held(100, 101, 102, 102, 200)), Some(Holder::Decoding));
    assert_eq!(of_slot(&held(100, 101, 190, 195, 200)), Some(Holder::Replay));
    assert_eq!(
        of_slot(&held(100, 180, 185, 195, 200)),
        Some(Holder::OpenTransaction)
    );
}

#[test]
fn changes_that_wait_for_rows_or_for_a_stream_say_so() {
    let (look, progress) = held(100, 101, 102, 150, 200);
    let snapshot = Some(Duration::from_secs(5));
    let reading = (look, Progress { snapshot, ..progress });
    let held = Duration::from_secs(5);
    assert_eq!(of_slot(&reading), Some(Holder::Snapshot { held }));
    let (look, progress) = reading;
    let away = Progress {
        not_streaming: Some("kafka: no broker".to_owned()),
        ..progress
    };
    let why = "kafka: no broker".to_owned();
    assert_eq!(of_slot(&(look, away)), Some(Holder::NotStreaming { why }));
}

#[test]
fn before_the_first_session_what_is_not_confirmed_is_not_delivered() {
    assert_eq!(of_slot(&held(100, 101, 0, 0, 200)), Some(Holder::Decoding));
}

#[test]
fn a_full_disk_can_have_other_reasons() {
    let of_disk = |retained: u64, directory: u64| {
        let (look, progress) = held(5000 - retained, 5000 - retained, 5000 - retained, 5000, 5000);
        let look = WalLook {
            directory: WalDirectory::Bytes(directory * MB),
            ..look
        };
        let outlook = Outlook {
            limit: Limit::Disk,
            extent: Extent::Bytes { limit: 1, room: 0 },
            share: 0.0,
            left: None,
            outage: None,
        };
        Holder::of_limit(&look, &progress, &outlook)
    };
    assert_eq!(of_disk(2000, 3000), Some(Holder::Kafka));
    assert_eq!(of_disk(500, 3000), Some(Holder::Others));
    assert_eq!(of_disk(500, 900), Some(Holder::MaxWalSize));
}

#[test]
fn a_standby_that_does_not_stream_holds_up_what_is_to_be_sent() {
    let (look, progress) = held(100, 101, 102, 102, 200);
    let slots = vec!["standby_1".to_owned(), "standby_2".to_owned()];
    let awaited_standbys = slots.clone();
    let waits = WalLook {
        awaited_standbys,
        ..look
    };
    let holder = Holder::of_slot(&waits, &progress).unwrap();
    assert_eq!(holder, Holder::Standbys { slots });
    assert!(holder.what().ends_with("none streams from standby_1, standby_2"));
    // What was sent is not waiting for it.
    let (look, progress) = held(100, 101, 102, 150, 200);
    let look = WalLook {
        awaited_standbys: waits.awaited_standbys,
        ..look
    };
    assert_eq!(Holder::of_slot(&look, &progress), Some(Holder::Kafka));
}
