//! Topics: how they are made, and what they may be called.

use super::{parse, with};

#[test]
fn topics_can_be_configured() {
    let lines = "partitions = 6\nreplication = 3\ncleanup_policy = \"compact\"\nconfig.retention.ms = -1";
    let topics = parse(&with("kafka.topics", lines)).unwrap().kafka.topics;
    assert_eq!((topics.partitions, topics.replication), (Some(6), Some(3)));
    assert_eq!(topics.config["cleanup.policy"], "compact");
    assert_eq!(topics.config["retention.ms"], "-1");
}

#[test]
fn a_topic_has_a_name_that_kafka_takes() {
    for (section, key) in [("snapshot", "signal_topic"), ("dead_letters", "topic")] {
        let parsed = |name: &str| parse(&with(section, &format!("{key} = {name:?}")));
        parsed("Shop.Signals_2-a").unwrap();
        for bad in ["", ".", "..", "a b", "a/b", "ä", &"a".repeat(250)] {
            let error = parsed(bad).unwrap_err().to_string();
            assert!(error.contains(&format!("{section}.{key}")), "{error}");
        }
    }
}
