//! `sslmode` and certificates, on both kinds of connection.

use std::path::Path;

use walcast_testbed::{Auth, Postgres, PostgresOptions, TlsOptions};

use crate::{set_up, source};

async fn attempt(url: &str) -> String {
    match set_up(&mut source(url)).await {
        Ok(_) => "connected".to_owned(),
        Err(error) => error.to_string(),
    }
}

fn url(server: &Postgres, host: &str, parameters: &str) -> String {
    format!(
        "postgres://postgres:postgres@{host}:{}/shop?{parameters}",
        server.port()
    )
}

/// How many of the server's connections besides this question's are encrypted, and how many are not.
async fn encrypted(server: &Postgres) -> (i64, i64) {
    let sql = "SELECT count(*) FILTER (WHERE s.ssl), count(*) FILTER (WHERE NOT s.ssl) FROM pg_stat_ssl s
               JOIN pg_stat_activity a USING (pid) WHERE a.application_name LIKE 'walcast/%'";
    let row = server.client().await.unwrap().query_one(sql, &[]).await.unwrap();
    (row.get(0), row.get(1))
}

fn show(path: &Path) -> String {
    path.display().to_string()
}

#[tokio::test]
async fn certificates_are_checked_as_far_as_the_mode_says() {
    let tls = TlsOptions {
        server_names: vec!["localhost".to_owned()],
        required: true,
        ..TlsOptions::default()
    };
    let options = PostgresOptions {
        tls: Some(tls.clone()),
        auth: Auth::Scram,
        ..PostgresOptions::default()
    };
    let server = Postgres::start(options).await.unwrap();
    let stranger = PostgresOptions {
        tls: Some(tls),
        ..PostgresOptions::default()
    };
    let stranger = Postgres::start(stranger).await.unwrap();
    let ca = show(&server.tls().unwrap().ca());
    let other_ca = show(&stranger.tls().unwrap().ca());

    for (host, parameters) in [
        ("127.0.0.1", "sslmode=prefer".to_owned()),
        ("127.0.0.1", "sslmode=allow".to_owned()),
        ("127.0.0.1", "sslmode=require&channel_binding=require".to_owned()),
        ("127.0.0.1", format!("sslmode=verify-ca&sslrootcert={ca}")),
        (
            "localhost",
            format!("sslmode=verify-full&sslrootcert={ca}&channel_binding=require"),
        ),
        ("localhost", "sslnegotiation=direct&sslmode=require".to_owned()),
    ] {
        let mut source = source(&url(&server, host, &parameters));
        set_up(&mut source)
            .await
            .unwrap_or_else(|error| panic!("{parameters}: {error}"));
        assert_eq!(encrypted(&server).await, (3, 0), "{parameters}");
        drop(source);
        crate::streaming::wait_until_gone(&server).await;
    }

    let plain = attempt(&url(&server, "127.0.0.1", "sslmode=disable")).await;
    assert!(
        plain.contains("28000") && plain.contains("no encryption"),
        "{plain}"
    );
    for (host, parameters, wanted) in [
        (
            "127.0.0.1",
            format!("sslmode=verify-full&sslrootcert={ca}"),
            "not valid for name",
        ),
        (
            "localhost",
            format!("sslmode=verify-full&sslrootcert={other_ca}"),
            "invalid peer certificate",
        ),
        (
            "localhost",
            format!("sslmode=require&sslrootcert={other_ca}"),
            "invalid peer certificate",
        ),
        (
            "localhost",
            "sslmode=verify-full&sslrootcert=system".to_owned(),
            "invalid peer certificate",
        ),
        (
            "localhost",
            "sslmode=verify-ca&sslrootcert=/nowhere".to_owned(),
            "sslrootcert /nowhere cannot be read",
        ),
    ] {
        let error = attempt(&url(&server, host, &parameters)).await;
        assert!(error.contains(wanted), "{parameters}: {error}");
    }
}

#[tokio::test]
async fn missing_tls_is_an_error_or_replaced_by_plain_text() {
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    assert_eq!(
        attempt(&url(&server, "127.0.0.1", "sslmode=prefer")).await,
        "connected"
    );
    let error = attempt(&url(&server, "127.0.0.1", "sslmode=require")).await;
    assert!(
        error.contains("does not speak TLS, but sslmode=require demands it"),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_can_demand_our_certificate() {
    let options = PostgresOptions {
        tls: Some(TlsOptions {
            client_certificate_required: true,
            ..TlsOptions::default()
        }),
        ..PostgresOptions::default()
    };
    let server = Postgres::start(options).await.unwrap();
    let own = server.tls().unwrap().issue_client("postgres").unwrap();
    let foreign = server.tls().unwrap().issue_client("foreign").unwrap();
    let with = |certificate: &Path, key: &Path| {
        let parameters = format!(
            "sslmode=require&sslcert={}&sslkey={}",
            show(certificate),
            show(key)
        );
        url(&server, "127.0.0.1", &parameters)
    };
    assert_eq!(attempt(&with(&own.certificate, &own.key)).await, "connected");
    let error = attempt(&with(&foreign.certificate, &foreign.key)).await;
    assert!(
        error.contains("certificate authentication failed") || error.contains("28000"),
        "{error}"
    );
    let error = attempt(&url(&server, "127.0.0.1", "sslmode=require")).await;
    assert!(error.contains("client certificate"), "{error}");
}
