//! Topics: settings, names, and topics that tables must not reach.

use std::num::{NonZeroU16, NonZeroU32};

use expect_test::expect;
use walcast_mapper::config::TopicPurpose;

use super::{check_error, parse, with};

#[test]
fn topics_can_be_configured() {
    let lines =
        "partitions = 6\nreplication_factor = 3\ncleanup_policy = \"compact\"\nconfig.retention.ms = -1";
    let topics = parse(&with("kafka.topics", lines)).unwrap().kafka.topics;
    assert_eq!(topics.partitions.map(NonZeroU32::get), Some(6));
    assert_eq!(topics.replication_factor.map(NonZeroU16::get), Some(3));
    assert_eq!(topics.config["cleanup.policy"], "compact");
    assert_eq!(topics.config["retention.ms"], "-1");
}

#[test]
fn topic_names_follow_kafkas_rules() {
    for (section, key) in [("snapshot", "signal_topic"), ("dead_letters", "topic")] {
        let parsed = |name: &str| parse(&with(section, &format!("{key} = {name:?}")));
        parsed("Shop.Signals_2-a").unwrap();
        for bad in ["", ".", "..", "a b", "a/b", "ä", &"a".repeat(250)] {
            let error = parsed(bad).unwrap_err().to_string();
            assert!(error.contains(&format!("{section}.{key}")), "{error}");
        }
    }
}

#[test]
fn reserved_topics_are_passed_to_the_mapper() {
    let reserved = |text: &str| {
        let topics = parse(text).unwrap().mapper.reserved_topics.into_iter();
        topics
            .map(|reserved| (reserved.purpose, reserved.topic))
            .collect::<Vec<_>>()
    };
    let checkpoints = (TopicPurpose::Checkpoints, "shop.walcast-checkpoints".to_owned());
    let verifications = (
        TopicPurpose::Verifications,
        "shop.walcast-verifications".to_owned(),
    );
    let replays = (TopicPurpose::Replays, "shop.walcast-replays".to_owned());
    let dead_letters = (TopicPurpose::DeadLetters, "shop.dead-letters".to_owned());
    assert_eq!(
        reserved(&with("", "")),
        [
            checkpoints.clone(),
            verifications.clone(),
            replays.clone(),
            dead_letters.clone()
        ]
    );
    let signals = (TopicPurpose::Signals, "signals".to_owned());
    assert_eq!(
        reserved(&with("snapshot", "signal_topic = \"signals\"")),
        [checkpoints, verifications, replays, dead_letters, signals]
    );
}

#[test]
fn no_route_leads_to_a_reserved_topic() {
    let route = |topic: &str| format!("[[names.routes]]\npattern = '.*'\ntopic = {topic:?}\n");
    let routed =
        |lines: &str, topic: &str| with("snapshot", &format!("{lines}\n{}{}", route("all"), route(topic)));
    check_error(
        &routed("", "shop.walcast-checkpoints"),
        expect![[
            r#"walcast.toml:20:1: names.routes.topic is "shop.walcast-checkpoints"; expected a topic other than the checkpoint topic"#
        ]],
    );
    check_error(
        &routed("", "shop.walcast-verifications"),
        expect![[
            r#"walcast.toml:20:1: names.routes.topic is "shop.walcast-verifications"; expected a topic other than the verification topic"#
        ]],
    );
    check_error(
        &routed("", "shop.dead-letters"),
        expect![[
            r#"walcast.toml:20:1: names.routes.topic is "shop.dead-letters"; expected a topic other than the dead-letter topic"#
        ]],
    );
    check_error(
        &routed("signal_topic = \"signals\"", "signals"),
        expect![[
            r#"walcast.toml:20:1: names.routes.topic is "signals"; expected a topic other than the signal topic"#
        ]],
    );
    parse(&routed("", "signals")).unwrap();
    // The target depends on the table, so the plan of the table is checked.
    parse(&with("[names.routes]", "pattern = '(.*)'\ntopic = \"$1\"")).unwrap();
}

#[test]
fn no_event_leads_to_a_reserved_topic() {
    let events = |lines: &str| {
        with(
            "snapshot",
            &format!("signal_topic = \"signals\"\n[events]\n{lines}\n"),
        )
    };
    check_error(
        &events("transactions = true\ntransaction_topic = \"dead-letters\""),
        expect![[
            r#"walcast.toml:17:1: events.transaction_topic is "dead-letters"; expected a topic other than the dead-letter topic"#
        ]],
    );
    check_error(
        &events(
            "heartbeat_interval = \"1s\"\nheartbeat_topic_prefix = \"a\"\n[dead_letters]\ntopic = \"a.shop\"",
        ),
        expect![[
            r#"walcast.toml:17:1: events.heartbeat_topic_prefix is "a"; expected a topic other than the dead-letter topic"#
        ]],
    );
    for topic in [
        "shop.walcast-checkpoints",
        "shop.walcast-verifications",
        "shop.walcast-replays",
        "shop.dead-letters",
        "signals",
    ] {
        let error = parse(&events(&format!("notification_topic = {topic:?}"))).err();
        let text = error.unwrap().to_string();
        assert!(
            text.contains(&format!(
                "events.notification_topic is {topic:?}; expected a topic other than the "
            )),
            "{text}"
        );
    }
    // Without transaction metadata and heartbeats there are no such topics.
    parse(&events("transaction_topic = \"dead-letters\"")).unwrap();
}

#[test]
fn signals_have_a_topic_of_their_own() {
    for topic in ["shop.walcast-checkpoints", "shop.dead-letters"] {
        let error = parse(&with("snapshot", &format!("signal_topic = {topic:?}"))).err();
        let text = error.unwrap().to_string();
        assert!(
            text.contains(&format!(
                "snapshot.signal_topic is {topic:?}; expected a topic other than the "
            )),
            "{text}"
        );
    }
}
