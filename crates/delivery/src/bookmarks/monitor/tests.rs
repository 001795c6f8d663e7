use std::cell::RefCell;
use std::num::NonZeroU32;
use std::rc::Rc;

use super::*;
use crate::bookmarks::name;
use crate::port_error::{BoxedPortError, Disposition, PortError};

const MB: u64 = 1 << 20;
const SLOT: &str = "walcast_shop";
const INTERVAL: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
#[error("the server rejects the statement")]
struct Rejected;

impl PortError for Rejected {
    fn disposition(&self) -> Disposition {
        Disposition::Retry
    }
}

/// Server whose clock advances, and whose WAL grows, with each look; it has slots and rejects copies if it must.
#[derive(Debug)]
struct Server {
    now: u64,
    end: u64,
    growth: u64,
    slots: Vec<(String, u64)>,
    rejects_copies: bool,
    is_reachable: bool,
}

#[derive(Clone, Debug)]
struct FakeSlots(Rc<RefCell<Server>>);

impl BookmarkSlots for FakeSlots {
    async fn look(&mut self) -> Result<Option<BookmarkSample>, BoxedPortError> {
        let mut server = self.0.borrow_mut();
        if !server.is_reachable {
            return Ok(None);
        }
        server.now += 5;
        server.end += server.growth;
        let bookmark = |(slot, restart): &(String, u64)| {
            let (created_unix_seconds, name) = name::parse(SLOT, slot).unwrap();
            Bookmark {
                name,
                slot: slot.clone(),
                created_unix_seconds,
                position: Some(Lsn::new(*restart)),
                restart_lsn: Some(Lsn::new(*restart)),
                active_pid: None,
                status: None,
                safe_wal_size: None,
                inactive: None,
                invalidation_reason: None,
            }
        };
        Ok(Some(BookmarkSample {
            end: Lsn::new(server.end),
            now_unix_seconds: server.now,
            free_slots: 3,
            source_restart_lsn: Some(Lsn::new(server.end)),
            keep_size: None,
            idle_timeout: None,
            bookmarks: server.slots.iter().map(bookmark).collect(),
        }))
    }

    async fn copy(&mut self, slot: &str) -> Result<(), BoxedPortError> {
        let mut server = self.0.borrow_mut();
        if server.rejects_copies {
            return Err(Rejected.into());
        }
        let restart = server.end;
        server.slots.push((slot.to_owned(), restart));
        Ok(())
    }

    async fn drop_slot(&mut self, slot: &str) -> Result<(), BoxedPortError> {
        self.0.borrow_mut().slots.retain(|(other, _)| other != slot);
        Ok(())
    }
}

/// A server with one bookmark that a user made, and a monitor of it.
fn monitored(every: Option<Duration>) -> (FakeSlots, BookmarkMonitor<FakeSlots>, ConnectorState) {
    let server = Server {
        now: 1_764_583_200,
        end: 1000 * MB,
        growth: 10 * MB,
        slots: vec![(
            name::bookmark_slot(SLOT, 1_764_583_000, &"mine".parse().unwrap()),
            990 * MB,
        )],
        rejects_copies: false,
        is_reachable: true,
    };
    let slots = FakeSlots(Rc::new(RefCell::new(server)));
    let config = BookmarkConfig {
        slot: SLOT.to_owned(),
        every,
        keep: NonZeroU32::new(2).unwrap(),
        wal_budget: 100 * MB,
        interval: INTERVAL,
    };
    let state = ConnectorState::default();
    let monitor = BookmarkMonitor::new(slots.clone(), config, state.clone(), Describe::default());
    (slots, monitor, state)
}

fn names(state: &ConnectorState) -> Vec<String> {
    let current = state.bookmarks.read().current.unwrap();
    let views = current.bookmarks.into_iter();
    views.map(|view| view.bookmark.name).collect()
}

#[tokio::test]
async fn a_bookmark_never_retains_more_than_the_budget() {
    let (_slots, mut monitor, state) = monitored(None);
    for _ in 0..20 {
        monitor.inspect().await;
        let current = state.bookmarks.read().current.unwrap();
        assert!(
            current
                .bookmarks
                .iter()
                .all(|view| view.retained_bytes <= 100 * MB)
        );
    }
    assert_eq!((names(&state), state.bookmarks.read().dropped), (vec![], 1));
}

#[tokio::test]
async fn growth_without_an_inspection_is_not_extrapolated() {
    let (slots, mut monitor, state) = monitored(None);
    monitor.inspect().await;
    slots.0.borrow_mut().is_reachable = false;
    monitor.inspect().await;
    {
        let mut server = slots.0.borrow_mut();
        server.is_reachable = true;
        server.end += 50 * MB;
    }
    monitor.inspect().await;
    assert_eq!(
        (names(&state), state.bookmarks.read().dropped),
        (vec!["mine".to_owned()], 0)
    );
}

#[tokio::test]
async fn rolling_bookmarks_replace_each_other_and_no_other() {
    let (slots, mut monitor, state) = monitored(Some(Duration::from_secs(5)));
    slots.0.borrow_mut().growth = 0;
    for _ in 0..6 {
        monitor.inspect().await;
    }
    let kept = names(&state);
    assert_eq!(kept.len(), 3, "{kept:?}");
    assert_eq!(kept[0], "mine");
    assert_eq!(state.bookmarks.read().dropped, 0);

    // Without a new one, none is dropped.
    slots.0.borrow_mut().rejects_copies = true;
    for _ in 0..3 {
        monitor.inspect().await;
    }
    assert_eq!(names(&state), kept);
}

#[tokio::test]
async fn bookmarks_are_not_shown_while_they_are_not_inspected() {
    let (slots, mut monitor, state) = monitored(None);
    monitor.inspect().await;
    assert_eq!(names(&state), ["mine"]);
    slots.0.borrow_mut().is_reachable = false;
    monitor.inspect().await;
    assert_eq!(state.bookmarks.read().current, None);
}
