//! Snapshots of streams.

use std::time::Duration;

use walcast_kafka::StreamFold;
use walcast_mapper::config::{Encoding, TopicPurpose};

use super::{parse, with};

const SECTION: &str = "[stream_snapshots]";

#[test]
fn snapshots_of_streams_have_defaults() {
    let config = parse(&with(SECTION, "topic = \"shop.events\"\nfold = \"merge_patch\"")).unwrap();
    let [snapshots] = config.stream_snapshots.as_slice() else {
        panic!("{:?}", config.stream_snapshots);
    };
    assert_eq!(snapshots.topic, "shop.events");
    assert_eq!(snapshots.snapshots, "shop.events.snapshots");
    assert_eq!(snapshots.fold, StreamFold::MergePatch);
    assert_eq!(snapshots.every_events, 10_000);
    assert_eq!(snapshots.every, Duration::from_secs(60));
    assert_eq!(snapshots.memory, 256 << 20);
    assert_eq!(snapshots.replay_budget, None);
    assert_eq!(snapshots.encoding, Encoding::Avro);
    // The type of an event can be a part of its topic: no row writes to the snapshots.
    let reserved = config.mapper.reserved_topics.last().unwrap();
    assert_eq!(
        (reserved.purpose, reserved.topic.as_str()),
        (TopicPurpose::StreamSnapshots, "shop.events.snapshots")
    );
}

#[test]
fn snapshots_of_streams_are_checked() {
    let topic = "expected the topic of an event store, which no other entry names";
    for (lines, expected) in [
        (
            "topic = \"a\"\nfold = \"sum\"",
            "unknown variant `sum`, expected `last_value` or `merge_patch`",
        ),
        ("topic = \"\"\nfold = \"last_value\"", topic),
        ("topic = \"shop.dead-letters\"\nfold = \"last_value\"", topic),
        (
            "topic = \"a\"\nfold = \"last_value\"\n[[stream_snapshots]]\ntopic = \"a.snapshots\"\nfold = \"last_value\"",
            topic,
        ),
        (
            "topic = \"a\"\nfold = \"last_value\"\n[[names.routes]]\npattern = '.*'\ntopic = 'a.snapshots'",
            "expected a topic other than a topic of snapshots of streams",
        ),
        (
            "topic = \"a\"\nfold = \"last_value\"\nevery_events = 0",
            "stream_snapshots.every_events",
        ),
        (
            "topic = \"a\"\nfold = \"last_value\"\nevery = \"1ms\"",
            "stream_snapshots.every",
        ),
        (
            "topic = \"a\"\nfold = \"last_value\"\nmemory = \"1kB\"",
            "stream_snapshots.memory",
        ),
        (
            "topic = \"a\"\nfold = \"last_value\"\nreplay_budget = \"1ms\"",
            "stream_snapshots.replay_budget",
        ),
    ] {
        let error = parse(&with(SECTION, lines)).expect_err(lines);
        let printed = walcast_delivery::one_line(&error);
        assert!(printed.contains(expected), "{lines}: {printed}");
    }
}
