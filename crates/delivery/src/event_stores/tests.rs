//! Order of streams, with a bounded memory.

use walcast_mapper::config::OnViolation;
use walcast_mapper::{StreamEvent, StreamRules, Violation};

use super::last_versions::{LastVersions, Predecessor};

fn event(stream: &str, version: i64) -> StreamEvent {
    StreamEvent {
        stream: stream.as_bytes().to_vec(),
        version,
    }
}

fn last_versions(streams_remembered: usize) -> LastVersions {
    LastVersions::new(StreamRules {
        first_version: 1,
        on_violation: OnViolation::Warn,
        streams_remembered,
    })
}

#[test]
fn versions_follow_each_other_in_each_stream() {
    let mut last = last_versions(100);
    for (stream, version) in [("a", 1), ("b", 1), ("a", 2), ("b", 2), ("a", 3)] {
        assert_eq!(
            last.append(&event(stream, version)),
            Predecessor::Known,
            "{stream} {version}"
        );
    }
    assert!(last.continues_with(&event("a", 4)));
    assert!(!last.continues_with(&event("b", 4)));
}

#[test]
fn a_stream_that_was_not_seen_begins_with_any_version() {
    let mut last = last_versions(100);
    assert_eq!(last.append(&event("a", 7)), Predecessor::Unknown);
    assert_eq!(last.append(&event("a", 8)), Predecessor::Known);
}

#[test]
fn a_violation_is_reported_once() {
    let mut last = last_versions(100);
    last.append(&event("a", 1));
    let gap = Violation::Gap { expected: 2 };
    assert_eq!(last.append(&event("a", 4)), Predecessor::Violated(gap));
    assert_eq!(last.append(&event("a", 5)), Predecessor::Known);
    let doubled = Violation::Doubled { expected: 6 };
    assert_eq!(last.append(&event("a", 5)), Predecessor::Violated(doubled));
    assert_eq!(last.append(&event("a", 6)), Predecessor::Known);
}

#[test]
fn streams_that_are_used_stay_in_memory() {
    let mut last = last_versions(4);
    last.append(&event("busy", 1));
    for number in 0..100 {
        last.append(&event(&format!("once-{number}"), 1));
        let version = number + 2;
        assert_eq!(
            last.append(&event("busy", version)),
            Predecessor::Known,
            "{version}"
        );
    }
    // Forgotten, so that nothing is known of its predecessor.
    assert_eq!(last.append(&event("once-0", 5)), Predecessor::Unknown);
    assert!(last.append(&event("once-99", 3)) != Predecessor::Unknown);
}

#[test]
fn events_that_exist_are_predecessors() {
    let mut last = last_versions(4);
    last.add(&event("a", 1));
    last.add(&event("a", 3));
    last.add(&event("a", 2));
    assert_eq!(last.append(&event("a", 4)), Predecessor::Known);
}

#[test]
fn streams_that_were_read_continue_or_are_ahead() {
    let mut last = last_versions(100);
    last.append(&event("a", 7));
    last.append(&event("b", 1));
    let mut read = last_versions(100);
    for (stream, version) in [("a", 5), ("b", 3), ("c", 9)] {
        read.add(&event(stream, version));
    }
    last.extend(read);
    for (stream, version) in [("a", 8), ("b", 4), ("c", 10)] {
        assert_eq!(
            last.append(&event(stream, version)),
            Predecessor::Known,
            "{stream}"
        );
    }
}

#[test]
fn a_stream_begins_again_after_it_was_archived() {
    let mut last = last_versions(4);
    last.append(&event("a", 1));
    last.append(&event("a", 2));
    last.end(b"a");
    assert!(!last.continues_with(&event("a", 2)));
    assert_eq!(last.append(&event("a", 1)), Predecessor::Known);
}

#[test]
fn long_streams_are_not_remembered() {
    let mut last = last_versions(4);
    let long = "a".repeat(257);
    assert_eq!(last.append(&event(&long, 1)), Predecessor::Known);
    assert_eq!(last.append(&event(&long, 9)), Predecessor::Unknown);
}
