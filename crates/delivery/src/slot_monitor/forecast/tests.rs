use expect_test::{Expect, expect};
use proptest::prelude::*;
use walcast_pgoutput::Lsn;

use super::*;
use crate::slot_monitor::sample::WalDirectory;

const MB: u64 = 1 << 20;

/// Sample of a server of version 17 with a limit of 1000 MB, of which `safe_mb` MB remain, and a `pg_wal` of
/// `directory_mb` MB.
fn sample(end_mb: u64, safe_mb: i64, directory_mb: u64) -> WalSample {
    WalSample {
        end: Lsn::new(end_mb * MB),
        restart_lsn: Some(Lsn::new(MB)),
        confirmed_flush_lsn: Some(Lsn::new(MB)),
        status: Some(WalStatus::Extended),
        keep_size: Some(1000 * MB),
        safe_wal_size: Some(safe_mb * 1_048_576),
        inactive: None,
        idle_timeout: None,
        catalog_xmin_age: Some(3),
        awaited_standbys: Vec::new(),
        max_wal_size: 100 * MB,
        directory: WalDirectory::Bytes(directory_mb * MB),
    }
}

/// Forecasts after samples that are ten seconds apart.
fn after(samples: impl IntoIterator<Item = WalSample>, wal_disk_size: Option<u64>) -> Vec<LimitForecast> {
    let mut outlooks = LimitForecasts::default();
    let mut forecasts = Vec::new();
    for (index, sample) in (0..).zip(samples) {
        forecasts = outlooks.after(Duration::from_secs(index * 10), &sample, wal_disk_size);
    }
    forecasts
}

fn check(forecasts: &[LimitForecast], expected: Expect) {
    let seconds = |time: Option<Duration>| {
        time.map_or_else(|| "-".to_owned(), |time| format!("{:.0} s", time.as_secs_f64()))
    };
    let lines = forecasts.iter().map(|outlook| {
        let extent = match outlook.extent {
            Extent::Bytes { limit, room } => format!("{} of {} MB", room / MB, limit / MB),
            Extent::Time(timeout) => format!("{} s", timeout.as_secs()),
        };
        format!(
            "{}: {extent}, share {:.2}, left {}, outage {}",
            outlook.limit.setting(),
            outlook.share,
            seconds(outlook.left),
            seconds(outlook.outage)
        )
    });
    expected.assert_eq(&lines.collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_server_without_limits_has_no_forecasts() {
    // Same as on version 12, which has no `max_slot_wal_keep_size`.
    let unlimited = || WalSample {
        keep_size: None,
        safe_wal_size: None,
        status: None,
        ..sample(500, 0, 300)
    };
    assert_eq!(after([unlimited(), unlimited()], None), []);
    // The server reports the limit but not the headroom: the slot is lost.
    let lost = WalSample {
        safe_wal_size: None,
        status: Some(WalStatus::Lost),
        ..sample(500, 0, 300)
    };
    assert_eq!(after([lost], None), []);
}

#[test]
fn headroom_shrinks_as_wal_is_written() {
    let shrinking = (0..6u32).map(|look_number| {
        let written = u64::from(look_number) * 10;
        sample(100 + written, 900 - i64::from(look_number) * 10, 200 + written)
    });
    check(
        &after(shrinking, Some(2000 * MB)),
        expect![[r#"
            max_slot_wal_keep_size: 850 of 1000 MB, share 0.85, left 850 s, outage 850 s
            wal_disk_size: 1750 of 2000 MB, share 0.88, left 1750 s, outage 1750 s"#]],
    );
}

#[test]
fn a_busy_server_whose_slot_keeps_up_is_not_at_risk() {
    let steady = (0..6).map(|look_number| sample(100 + look_number * 10, 900, 90));
    check(
        &after(steady, Some(2000 * MB)),
        expect![[r#"
            max_slot_wal_keep_size: 900 of 1000 MB, share 0.90, left -, outage 900 s
            wal_disk_size: 1900 of 2000 MB, share 0.95, left -, outage 1900 s"#]],
    );
}

#[test]
fn a_directory_that_grows_up_to_max_wal_size_is_not_at_risk() {
    let growing = (0..8).map(|look_number| sample(100 + look_number * 10, 900, 20 + look_number * 10));
    check(
        &after(growing, Some(300 * MB))[1..],
        expect!["wal_disk_size: 200 of 300 MB, share 0.67, left -, outage 200 s"],
    );
}

#[test]
fn wal_that_the_next_checkpoint_removes_leaves_no_headroom() {
    let unreserved = WalSample {
        status: Some(WalStatus::Unreserved),
        ..sample(1200, 3, 300)
    };
    check(
        &after([unreserved], None),
        expect!["max_slot_wal_keep_size: 0 of 1000 MB, share 0.00, left 0 s, outage 0 s"],
    );
    check(
        &after([sample(1200, -5, 300)], None),
        expect!["max_slot_wal_keep_size: 0 of 1000 MB, share 0.00, left 0 s, outage 0 s"],
    );
}

#[test]
fn a_changed_limit_restarts_its_forecast() {
    let before = (0..6).map(|look_number| {
        sample(
            100 + look_number * 10,
            900 - 10 * i64::try_from(look_number).unwrap(),
            90,
        )
    });
    let raised = WalSample {
        keep_size: Some(5000 * MB),
        ..sample(160, 4840, 90)
    };
    check(
        &after(before.chain([raised]), None),
        expect!["max_slot_wal_keep_size: 4840 of 5000 MB, share 0.97, left -, outage 4840 s"],
    );
}

#[test]
fn an_unused_slot_reaches_its_timeout() {
    let idle = |inactive: Option<u64>| WalSample {
        keep_size: None,
        idle_timeout: Some(Duration::from_secs(3600)),
        inactive: inactive.map(Duration::from_secs),
        ..sample(1, 0, 1)
    };
    check(
        &after([idle(None)], None),
        expect!["idle_replication_slot_timeout: 3600 s, share 1.00, left -, outage 3600 s"],
    );
    check(
        &after([idle(Some(900))], None),
        expect!["idle_replication_slot_timeout: 3600 s, share 0.75, left 2700 s, outage 2700 s"],
    );
    check(
        &after([idle(Some(4000))], None),
        expect!["idle_replication_slot_timeout: 3600 s, share 0.00, left 0 s, outage 0 s"],
    );
}

proptest! {
    /// The reported time is never longer than the fastest rate between two samples would take, nor shorter than that
    /// rate allows.
    #[test]
    fn the_time_to_the_limit_is_within_the_observed_rates(rooms in proptest::collection::vec(1i64..1000, 5..40)) {
        let samples = rooms.iter().map(|room| sample(1, *room, 1));
        let forecasts = after(samples, None);
        let shown = &rooms[rooms.len().saturating_sub(30)..];
        let fastest = shown.windows(2).map(|pair| pair[0] - pair[1]).max().unwrap();
        match forecasts[0].left {
            None => {}
            Some(left) => {
                prop_assert!(fastest > 0, "headroom never shrank, but {left:?} is reported");
                let last = *shown.last().unwrap() as f64;
                prop_assert!(left.as_secs_f64() >= last / (fastest as f64 / 10.0) - 0.001);
            }
        }
        prop_assert!((0.0..=1.0).contains(&forecasts[0].share));
    }
}
