//! `[kafka.properties]`.

use expect_test::expect;

use super::{check_error, parse, with};

#[test]
fn properties_may_be_quoted_or_not() {
    let lines = "security.protocol = \"SASL_SSL\"\n\"sasl.username\" = \"me\"\nsasl.password = \"${PASSWORD}\"\nlinger.ms = 5\n\
                 socket.keepalive.enable = true";
    let config = parse(&with("kafka.properties", lines)).unwrap();
    let properties = config.kafka.properties;
    assert_eq!(properties.value("sasl.password"), Some("hunter2"));
    expect![[
        r#"{"linger.ms": "5", "sasl.password": "[redacted]", "sasl.username": "me", "security.protocol": "SASL_SSL", "socket.keepalive.enable": "true"}"#
    ]]
    .assert_eq(&format!("{properties:?}"));
}

#[test]
fn values_of_properties_are_plain() {
    check_error(
        &with("kafka.properties", "linger.ms = [5]"),
        expect![[
            r#"walcast.toml:14:8: kafka.properties is "linger.ms"; expected a string, a number or a boolean as its value"#
        ]],
    );
}

#[test]
fn properties_that_librdkafka_or_the_guarantee_rejects_are_reported_with_their_line() {
    check_error(
        &with("kafka.properties", "linger.ms = 5\nacks = 1"),
        expect![
            "walcast.toml:15:1: [kafka.properties] acks may not be set: an acknowledgement by fewer than all in-sync replicas can be lost"
        ],
    );
    check_error(
        &with("kafka.properties", "linger.ms = \"soon\""),
        expect![[
            r#"walcast.toml:14:8: [kafka.properties] linger.ms: Invalid value for configuration property "queue.buffering.max.ms""#
        ]],
    );
    check_error(
        &with("kafka.properties", "\"max.request.size\" = 1"),
        expect![[
            r#"walcast.toml:14:1: [kafka.properties] max.request.size: No such configuration property: "max.request.size""#
        ]],
    );
}
