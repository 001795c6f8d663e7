//! Who speaks no TLS learns nothing.

use walcast_testbed::Eavesdropper;
use walcast_tests::{assert_reports, run};

use crate::{PASSWORD, REFUSED, Reached, text};

/// Who answers with what is no TLS hears how it begins, and no more.
#[tokio::test]
async fn sends_nothing_unencrypted_to_a_server_without_tls() {
    const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
    const HANDSHAKE: u8 = 22;

    let reached = Reached::new("overheard").await;
    // "No" is what a Postgres without TLS says, and an eavesdropper too.
    let postgres = Eavesdropper::start(b"N").await.unwrap();
    let others = [
        Eavesdropper::start(b"HTTP/1.0 200 OK\r\n\r\n{}").await.unwrap(),
        Eavesdropper::start(b"\0\0\0\x04\0\0\0\0").await.unwrap(),
    ];
    let url = |mode| {
        let certified = if mode == "require" {
            String::new()
        } else {
            format!("&sslrootcert={}", text(&reached.servers.stranger.ca()))
        };
        format!(
            "postgres://postgres:{PASSWORD}@127.0.0.1:{}/overheard?sslmode={mode}{certified}",
            postgres.port()
        )
    };
    let mut config = reached.config.clone();
    for property in ["ssl.certificate.location", "ssl.key.location"] {
        config = config.unset_kafka_property(property);
    }
    config = config
        .set("registry.url", format!("https://127.0.0.1:{}", others[0].port()))
        .set("registry.username", "walcast")
        .set("registry.password", PASSWORD)
        .set("kafka.brokers", format!("127.0.0.1:{}", others[1].port()))
        .set_kafka_property("security.protocol", "SASL_SSL")
        .set_kafka_property("sasl.mechanism", "PLAIN")
        .set_kafka_property("sasl.username", "walcast")
        .set_kafka_property("sasl.password", PASSWORD);
    for mode in ["require", "verify-ca", "verify-full"] {
        let checked = run(&config.clone().set("postgres.url", url(mode)), &["check"]).await;
        checked.error(REFUSED);
        let wanted = format!("does not speak TLS, but sslmode={mode} demands it");
        assert_reports(&checked.stdout, &[&wanted, "TLS with https://"]);
        checked.assert_silent_about(&[PASSWORD]);
    }
    let heard = postgres.heard();
    assert!(heard.len() >= 3, "{heard:?}");
    for connection in heard {
        assert_eq!(connection, SSL_REQUEST, "{}", connection.escape_ascii());
    }
    for eavesdropper in &others {
        let heard = eavesdropper.heard();
        assert!(
            heard.iter().any(|connection| !connection.is_empty()),
            "nobody came"
        );
        for connection in heard {
            assert!(
                connection.first().is_none_or(|first| *first == HANDSHAKE),
                "{}",
                connection.escape_ascii()
            );
            assert!(
                !connection
                    .windows(PASSWORD.len())
                    .any(|part| part == PASSWORD.as_bytes())
            );
        }
    }
}
