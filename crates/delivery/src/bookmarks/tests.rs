use walcast_pgoutput::Lsn;

use super::expiry::{BookmarkExpiry, BookmarkLimit};
use super::plan::{DropCause, Plan, plan};
use super::*;
use crate::source_state::WalStatus;

const GB: u64 = 1 << 30;
const NOW: u64 = 1_764_583_200;
const HOUR: u64 = 3600;

fn config(every_hours: Option<u64>, keep: u32) -> BookmarkConfig {
    BookmarkConfig {
        slot: "walcast_shop".to_owned(),
        every: every_hours.map(|hours| Duration::from_secs(hours * HOUR)),
        keep: NonZeroU32::new(keep).unwrap(),
        wal_budget: 10 * GB,
        interval: Duration::from_secs(10),
    }
}

/// Bookmark that was made some hours ago and retains some gigabytes.
fn bookmark(name: &str, hours: u64, gigabytes: u64) -> Bookmark {
    let position = Some(Lsn::new(100 * GB - gigabytes * GB));
    Bookmark {
        name: name.to_owned(),
        slot: format!("slot_of_{name}"),
        created_unix_seconds: NOW - hours * HOUR,
        position,
        restart_lsn: position,
        active_pid: None,
        status: None,
        safe_wal_size: None,
        inactive: None,
        invalidation_reason: None,
    }
}

fn sample(bookmarks: impl IntoIterator<Item = Bookmark>) -> BookmarkSample {
    BookmarkSample {
        end: Lsn::new(100 * GB),
        now_unix_seconds: NOW,
        free_slots: 5,
        source_restart_lsn: Some(Lsn::new(100 * GB)),
        keep_size: None,
        idle_timeout: None,
        bookmarks: bookmarks.into_iter().collect(),
    }
}

fn ended(plan: &Plan) -> Vec<(&str, DropCause)> {
    let ended = plan.ended.iter();
    ended
        .map(|(bookmark, cause)| (bookmark.name.as_str(), *cause))
        .collect()
}

fn replaced(plan: &Plan) -> Vec<&str> {
    plan.replaced
        .iter()
        .map(|bookmark| bookmark.name.as_str())
        .collect()
}

fn made(plan: &Plan) -> Option<&str> {
    plan.created.as_ref().map(|(name, _)| name.as_str())
}

#[test]
fn makes_no_slot_without_the_setting() {
    let none = plan(&config(None, 4), &sample([]), None);
    assert_eq!(none, Plan::default());
    let kept = plan(
        &config(None, 1),
        &sample([bookmark("a", 5, 9), bookmark("rolling_1", 3, 1)]),
        None,
    );
    assert_eq!(kept, Plan::default());
}

#[test]
fn the_oldest_are_dropped_before_the_budget_is_exceeded() {
    let config = config(None, 4);
    let sample = sample([bookmark("a", 9, 11), bookmark("b", 8, 9), bookmark("c", 1, 1)]);
    assert_eq!(ended(&plan(&config, &sample, None)), [("a", DropCause::Budget)]);
    // What the last interval wrote, the next one can write as well: two gigabytes.
    let before = Some(Lsn::new(98 * GB));
    let both = [("a", DropCause::Budget), ("b", DropCause::Budget)];
    assert_eq!(ended(&plan(&config, &sample, before)), both);
    // A burst that no budget would hold drops no bookmark that retains little.
    assert_eq!(ended(&plan(&config, &sample, Some(Lsn::new(GB)))), both);
}

#[test]
fn a_rolling_bookmark_is_made_when_the_newest_is_old_enough() {
    let config = config(Some(6), 2);
    assert_eq!(
        made(&plan(&config, &sample([]), None)),
        Some("rolling_20251201_100000")
    );
    // One that a user made is no rolling one.
    assert!(made(&plan(&config, &sample([bookmark("mine", 1, 0)]), None)).is_some());
    assert_eq!(
        made(&plan(&config, &sample([bookmark("rolling_1", 5, 0)]), None)),
        None
    );
    let due = plan(
        &config,
        &sample([bookmark("rolling_1", 12, 2), bookmark("rolling_2", 6, 1)]),
        None,
    );
    assert!(made(&due).is_some());
    assert_eq!((replaced(&due), ended(&due)), (vec!["rolling_1"], vec![]));
}

#[test]
fn fewer_rolling_bookmarks_are_kept_when_the_setting_says_so() {
    let sample = sample([
        bookmark("rolling_1", 3, 3),
        bookmark("mine", 3, 3),
        bookmark("rolling_2", 2, 2),
        bookmark("rolling_3", 1, 1),
    ]);
    assert_eq!(
        replaced(&plan(&config(Some(6), 1), &sample, None)),
        ["rolling_1", "rolling_2"]
    );
}

#[test]
fn a_rolling_bookmark_takes_neither_the_last_slot_nor_the_budget() {
    let config = config(Some(6), 2);
    let with_slots = |free_slots| {
        let sample = BookmarkSample {
            free_slots,
            ..sample([])
        };
        plan(&config, &sample, None)
    };
    for free_slots in [0, 1] {
        let prevented = with_slots(free_slots);
        assert_eq!(
            (made(&prevented), &prevented.prevented),
            (None, &Some(BookmarkRejected::LastSlot))
        );
    }
    assert!(made(&with_slots(2)).is_some());
    let behind = BookmarkSample {
        source_restart_lsn: Some(Lsn::new(80 * GB)),
        ..sample([])
    };
    let prevented = plan(&config, &behind, None);
    assert!(
        matches!(prevented.prevented, Some(BookmarkRejected::OverBudget { .. }))
            && prevented.created.is_none()
    );
    let missing = BookmarkSample {
        source_restart_lsn: None,
        ..sample([])
    };
    assert_eq!(plan(&config, &missing, None), Plan::default());
}

#[test]
fn an_invalidated_bookmark_of_a_user_is_kept_and_a_rolling_one_makes_way() {
    let lost = |name| Bookmark {
        restart_lsn: None,
        ..bookmark(name, 1, 0)
    };
    let sample = sample([lost("mine"), lost("rolling_1")]);
    let plan = plan(&config(Some(6), 2), &sample, None);
    assert_eq!(ended(&plan), [("rolling_1", DropCause::Lost)]);
    assert!(made(&plan).is_some());
}

#[test]
fn rejects_invalid_requests() {
    let config = config(None, 4);
    let name: BookmarkName = "a".parse().unwrap();
    let of = |sample: &BookmarkSample| creatable(&config, sample, &name).unwrap_err();
    let existing = sample([bookmark("a", 1, 1)]);
    assert!(matches!(of(&existing), BookmarkRejected::NameInUse { .. }));
    let full = BookmarkSample {
        free_slots: 0,
        ..sample([])
    };
    assert_eq!(of(&full), BookmarkRejected::NoFreeSlot);
    let missing = BookmarkSample {
        source_restart_lsn: None,
        ..sample([])
    };
    assert!(matches!(of(&missing), BookmarkRejected::NoSlot { .. }));
    let behind = BookmarkSample {
        source_restart_lsn: Some(Lsn::new(80 * GB)),
        ..sample([])
    };
    assert!(matches!(of(&behind), BookmarkRejected::OverBudget { retained, .. } if retained == 20 * GB));
    assert!(creatable(&config, &sample([]), &name).unwrap().ends_with("_a"));

    let unknown = droppable(&existing, "b").unwrap_err();
    assert_eq!(unknown.to_string(), "there is no bookmark \"b\"; there are a");
    assert_eq!(
        droppable(&sample([]), "b").unwrap_err().to_string(),
        "there is no bookmark \"b\"; there are none"
    );
    let used = sample([Bookmark {
        active_pid: Some(7),
        ..bookmark("a", 1, 1)
    }]);
    assert!(matches!(
        droppable(&used, "a"),
        Err(BookmarkRejected::InUse { pid: 7, .. })
    ));
    assert_eq!(droppable(&existing, "a").unwrap().slot, "slot_of_a");
}

#[test]
fn the_connector_is_moved_only_where_the_server_keeps_the_wal() {
    let of = |status, restart_lsn, invalidation_reason: Option<&str>| {
        let bookmark = Bookmark {
            status,
            restart_lsn,
            invalidation_reason: invalidation_reason.map(str::to_owned),
            ..bookmark("a", 1, 1)
        };
        bookmark.held_position()
    };
    let restart = Some(Lsn::new(99 * GB));
    let lost = Err(BookmarkRejected::Lost { name: "a".to_owned() });
    for status in [None, Some(WalStatus::Reserved), Some(WalStatus::Extended)] {
        assert_eq!(of(status, restart, None), Ok(Lsn::new(99 * GB)));
    }
    assert_eq!(of(Some(WalStatus::Lost), restart, None), lost);
    assert_eq!(of(None, None, None), lost);
    assert_eq!(of(Some(WalStatus::Reserved), restart, Some("idle_timeout")), lost);
    // The next checkpoint would invalidate the copy that replaces the connector's slot.
    let unreserved = Err(BookmarkRejected::Unreserved { name: "a".to_owned() });
    assert_eq!(of(Some(WalStatus::Unreserved), restart, None), unreserved);
}

#[test]
fn the_nearest_limit_comes_first() {
    // Two gigabytes in two hours: a gigabyte an hour.
    let two_hours = bookmark("a", 2, 2);
    let expiry = |limit, room: Option<u64>, hours: u64| BookmarkExpiry {
        limit,
        room,
        left: Some(Duration::from_secs(hours * HOUR)),
    };
    let budget = expiry(BookmarkLimit::Budget, Some(8 * GB), 8);
    let alone = sample([two_hours.clone()]);
    assert_eq!(alone.expiries(&two_hours, 10 * GB), [budget]);

    let limited = BookmarkSample {
        keep_size: Some(5 * GB),
        idle_timeout: Some(Duration::from_secs(24 * HOUR)),
        ..sample([])
    };
    let idle = Bookmark {
        safe_wal_size: i64::try_from(3 * GB).ok(),
        inactive: Some(Duration::from_secs(2 * HOUR)),
        ..two_hours.clone()
    };
    let keep_size = expiry(BookmarkLimit::KeepSize, Some(3 * GB), 3);
    let timeout = expiry(BookmarkLimit::IdleTimeout, None, 22);
    assert_eq!(limited.expiries(&idle, 10 * GB), [keep_size, budget, timeout]);

    let unreserved = Bookmark {
        status: Some(WalStatus::Unreserved),
        ..idle.clone()
    };
    assert_eq!(
        limited.expiries(&unreserved, 10 * GB)[0],
        expiry(BookmarkLimit::KeepSize, Some(0), 0)
    );
    // A young bookmark has no rate yet, and a lost one no limits.
    let young = Bookmark {
        created_unix_seconds: NOW - 1,
        ..two_hours.clone()
    };
    assert_eq!(
        alone.expiries(&young, 10 * GB),
        [BookmarkExpiry { left: None, ..budget }]
    );
    let lost = Bookmark {
        restart_lsn: None,
        ..two_hours
    };
    assert_eq!(alone.expiries(&lost, 10 * GB), []);
}
