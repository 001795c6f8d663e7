//! Each fault of a certificate, theirs and ours.

use crate::{Reached, USAGE, text};

#[tokio::test]
async fn postgres_is_refused_for_each_fault_of_a_certificate() {
    let reached = async || Reached::new("pg_faults").await;
    let first = reached().await;
    let (servers, config) = (first.servers, first.config.clone());
    let with = || Reached {
        servers,
        name: "pg_faults".to_owned(),
        config: config.clone(),
    };
    let (server, own) = (&servers.postgres, servers.postgres.tls().unwrap());
    with()
        .postgres(
            "127.0.0.1",
            server,
            &servers.stranger,
            Some(&servers.postgres_client),
        )
        .is_refused(
            "wrong authority",
            &["TLS with 127.0.0.1", "invalid peer certificate", "sslrootcert"],
        )
        .await;
    with()
        .postgres("localhost", server, own, Some(&servers.postgres_client))
        .is_refused(
            "wrong host",
            &[
                "TLS with localhost",
                "not valid for name \"localhost\"",
                "host name",
            ],
        )
        .await;
    let (expired, its_own) = (&servers.expired_postgres, servers.expired_postgres.tls().unwrap());
    with()
        .postgres("127.0.0.1", expired, its_own, None)
        .is_refused("expired", &["TLS with 127.0.0.1", "certificate expired"])
        .await;
    with()
        .postgres("127.0.0.1", server, own, None)
        .is_refused(
            "no certificate of ours",
            &["certificate", "give sslcert and sslkey in [postgres] url"],
        )
        .await;
    let other = own.issue_client("other").unwrap();
    with()
        .postgres("127.0.0.1", server, own, Some(&other))
        .is_refused(
            "a certificate for another user",
            &["authentication failed for user"],
        )
        .await;
    // As it is given above, but signed by an authority that the server does not know.
    let foreign = servers.stranger.issue_client("postgres").unwrap();
    with()
        .postgres("127.0.0.1", server, own, Some(&foreign))
        .is_refused(
            "a certificate of an unknown authority",
            &["TLS with 127.0.0.1", "sslcert"],
        )
        .await;
    let expired = own.issue_expired_client("postgres").unwrap();
    with()
        .postgres("127.0.0.1", server, own, Some(&expired))
        .is_refused(
            "an expired certificate of ours",
            &["TLS with 127.0.0.1", "sslcert"],
        )
        .await;
}

#[tokio::test]
async fn kafka_is_refused_for_each_fault_of_a_certificate() {
    let first = Reached::new("kafka_faults").await;
    let (servers, config) = (first.servers, first.config.clone());
    let with = || Reached {
        servers,
        name: "kafka_faults".to_owned(),
        config: config.clone(),
    };
    let (server, own) = (&servers.kafka, servers.kafka.tls().unwrap());
    let settings = "ssl.* of [kafka.properties]";
    with()
        .kafka("127.0.0.1", server, &servers.stranger, true)
        .is_refused(
            "wrong authority",
            &["authentication with", "certificate verify failed", settings],
        )
        .await;
    with()
        .kafka("localhost", server, own, true)
        .is_refused("wrong host", &["authentication with", "certificate", settings])
        .await;
    let (expired, its_own) = (&servers.expired_kafka, servers.expired_kafka.tls().unwrap());
    with()
        .kafka("127.0.0.1", expired, its_own, false)
        .is_refused("expired", &["authentication with", "certificate", settings])
        .await;
    with()
        .kafka("127.0.0.1", server, own, false)
        .is_refused(
            "no certificate of ours",
            &["authentication with", "certificate", settings],
        )
        .await;
    let expired = own.issue_expired_client("walcast").unwrap();
    let mut showing = with().kafka("127.0.0.1", server, own, true);
    showing.config = showing
        .config
        .set_kafka_property("ssl.certificate.location", &text(&expired.certificate))
        .set_kafka_property("ssl.key.location", &text(&expired.key));
    showing
        .is_refused(
            "an expired certificate of ours",
            &["authentication with", "certificate", settings],
        )
        .await;
}

#[tokio::test]
async fn the_registry_is_refused_for_each_fault_of_a_certificate() {
    let first = Reached::new("registry_faults").await;
    let (servers, config) = (first.servers, first.config.clone());
    let with = || Reached {
        servers,
        name: "registry_faults".to_owned(),
        config: config.clone(),
    };
    let (front, own) = (&servers.front, servers.front.tls());
    let reason = |fault| {
        [
            "TLS with https://",
            fault,
            "check ca_file, certificate_file and key_file of [registry]",
        ]
    };
    with()
        .registry("127.0.0.1", front, &servers.stranger, true)
        .is_refused("wrong authority", &reason("invalid peer certificate"))
        .await;
    with()
        .registry("localhost", front, own, true)
        .is_refused("wrong host", &reason("not valid for name \"localhost\""))
        .await;
    let expired = &servers.expired_front;
    with()
        .registry("127.0.0.1", expired, expired.tls(), false)
        .is_refused("expired", &reason("certificate expired"))
        .await;
    with()
        .registry("127.0.0.1", front, own, false)
        .is_refused("no certificate of ours", &reason("CertificateRequired"))
        .await;
    let expired = own.issue_expired_client("walcast").unwrap();
    with()
        .registry("127.0.0.1", front, own, true)
        .set("registry.certificate_file", &text(&expired.certificate))
        .set("registry.key_file", &text(&expired.key))
        .is_refused("an expired certificate of ours", &reason("CertificateExpired"))
        .await;
    let plain = servers.registry.url().replace("http://", "https://");
    with()
        .set("registry.url", &plain)
        .is_refused("no TLS at all", &reason("InvalidContentType"))
        .await;
    with()
        .set("registry.ca_file", "/nowhere/ca.pem")
        .is_refused_with(
            USAGE,
            "a file that is not there",
            &["/nowhere/ca.pem cannot be used", "[registry] ca_file"],
        )
        .await;
}
