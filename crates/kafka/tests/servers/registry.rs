//! The registry client against Apicurio, and against answers that Apicurio does not give.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use walcast_delivery::{Disposition, SchemaRegistry};
use walcast_kafka::{
    ClientIdentity, Registry, RegistryAuth, RegistryConfig, RegistryError, RegistryTls, SchemaId,
};
use walcast_mapper::Secret;
use walcast_testbed::{FailingHttp, RegistryGuard, TlsFront, TlsOptions};

const ORDER: &str = r#"{"type":"record","name":"Order","fields":[{"name":"id","type":"int"}]}"#;
const ORDER_WITH_NAME: &str = r#"{"type":"record","name":"Order","fields":[{"name":"id","type":"int"},{"name":"name","type":"string"}]}"#;

fn config(url: &str) -> RegistryConfig {
    RegistryConfig {
        url: url.to_owned(),
        auth: RegistryAuth::None,
        tls: RegistryTls::default(),
        proxy: None,
        auto_register: true,
    }
}

fn client(url: &str) -> Registry {
    Registry::new(&config(url)).unwrap()
}

#[tokio::test]
async fn a_schema_has_one_id_until_the_registry_is_recreated() {
    let mut server = walcast_testbed::Registry::start().await.unwrap();
    let mut registry = client(&server.url());
    registry.probe().await.unwrap();
    let id = registry.register("orders-value", ORDER).await.unwrap();
    assert_eq!(registry.register("orders-value", ORDER).await.unwrap(), id);
    assert_eq!(
        client(&server.url())
            .register("orders-value", ORDER)
            .await
            .unwrap(),
        id
    );
    let other = registry.register("items-value", ORDER_WITH_NAME).await.unwrap();
    assert_ne!(other, id);

    // What is known needs no registry; what is not, does.
    server.kill().unwrap();
    assert_eq!(registry.register("orders-value", ORDER).await.unwrap(), id);
    registry.forget();
    let error = registry.register("orders-value", ORDER).await.unwrap_err();
    assert!(error.is_retryable());
    assert!(
        error
            .to_string()
            .starts_with(&format!("no answer from {}: ", server.url())),
        "{error}"
    );
    assert!(
        registry
            .probe()
            .await
            .unwrap_err()
            .to_string()
            .starts_with("no answer from ")
    );

    server.start_again().await.unwrap();
    assert_eq!(registry.register("orders-value", ORDER).await.unwrap(), id);
    incompatible(&server.url()).await;
}

/// Schemas that others register are used, and others are shown so that they can be registered.
#[tokio::test]
async fn a_schema_is_looked_up_where_it_may_not_be_registered() {
    let server = walcast_testbed::Registry::start().await.unwrap();
    let url = server.url();
    let id = client(&url).register("orders-value", ORDER).await.unwrap();
    let guard = RegistryGuard::start(&url).await.unwrap();
    let looking = Registry::new(&RegistryConfig {
        auto_register: false,
        ..config(&url)
    });
    for (mut registry, why) in [
        (
            client(&guard.url()),
            ", which denies registration (status 403): registering is not allowed",
        ),
        (looking.unwrap(), ", and the configuration disables registration"),
    ] {
        assert_eq!(registry.register("orders-value", ORDER).await.unwrap(), id);
        for (subject, schema) in [("orders-value", ORDER_WITH_NAME), ("items-value", ORDER)] {
            // Twice: the first attempt has registered nothing.
            for _ in 0..2 {
                let error = registry.register(subject, schema).await.unwrap_err();
                assert_eq!(error.disposition(), Disposition::Halt);
                let text = error.to_string();
                let begins = format!("the schema of subject {subject} is not registered at http://");
                assert!(text.starts_with(&begins), "{text}");
                assert!(
                    text.ends_with(&format!("{why}; the schema is {schema}")),
                    "{text}"
                );
            }
        }
    }

    let (origin, _) = url.split_once("/apis").unwrap();
    let text = client(origin).probe().await.unwrap_err().to_string();
    assert!(text.ends_with(&format!("; {url} is one")), "{text}");
}

async fn incompatible(url: &str) {
    let mut registry = client(url);
    registry.register("strict-value", ORDER).await.unwrap();
    let body = r#"{"compatibility":"BACKWARD"}"#;
    let address = url.strip_prefix("http://").unwrap();
    let (host, path) = address.split_once('/').unwrap();
    let mut connection = tokio::net::TcpStream::connect(host).await.unwrap();
    let request = format!(
        "PUT /{path}/config/strict-value HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let levels = registry.compatibility_levels().unwrap();
    let own = levels.of("strict-value").await.unwrap();
    assert_eq!(own.as_deref(), Some("BACKWARD"));
    // A subject without a level of its own has that of all subjects, or none.
    let of_all = levels.of_all().await.unwrap();
    let other = levels.of("no-such-subject").await.unwrap();
    assert!(other.is_none() || other == of_all, "{other:?} {of_all:?}");

    let error = registry
        .register("strict-value", ORDER_WITH_NAME)
        .await
        .unwrap_err();
    assert!(!error.is_retryable());
    let text = error.to_string();
    assert!(
        text.contains("rejects the schema for subject strict-value as incompatible"),
        "{text}"
    );
    // The registry's message names the incompatible field.
    assert!(text.contains("name"), "{text}");
    let error = registry
        .register("strict-value", "{\"type\":\"wrong\"}")
        .await
        .unwrap_err();
    assert!(!error.is_retryable(), "{error}");
}

/// Answers one request, and returns the request.
async fn answering(status: &str, body: &str) -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let serving = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.windows(4).any(|window| window == b"\r\n\r\n") {
            assert_ne!(connection.read_buf(&mut request).await.unwrap(), 0);
        }
        connection.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(request).unwrap()
    });
    (url, serving)
}

/// Error of a response: its text without the URL, and whether it is retried.
async fn error_of(status: u16, body: &str) -> String {
    // Some responses are followed by another request.
    let server = FailingHttp::start(status, body).await.unwrap();
    let url = server.url();
    let error = client(&url).register("orders-value", ORDER).await.unwrap_err();
    let tried = if error.is_retryable() { "again" } else { "final" };
    format!("{tried}: {}\n", error.to_string().replace(&url, "URL"))
}

#[tokio::test]
async fn maps_each_response_to_its_error() {
    let cases = [
        (401, r#"{"error_code":40101,"message":"who are you"}"#),
        (403, "<html>no</html>"),
        (404, "<html>no such page</html>"),
        (
            409,
            r#"{"error_code":409,"message":"reader field 'x' has no default"}"#,
        ),
        (422, r#"{"error_code":42201,"message":"invalid avro"}"#),
        (500, r#"{"error_code":50001,"message":"disk full"}"#),
        (503, ""),
        (200, "<html>welcome</html>"),
    ];
    let mut errors = String::new();
    for (status, body) in cases {
        errors.push_str(&error_of(status, body).await);
    }
    expect_test::expect![[r#"
        final: URL denies access (status 401): who are you
        final: URL denies access (status 403): no reason given
        final: URL is no Confluent schema registry interface (status 404): no reason given
        final: URL rejects the schema for subject orders-value as incompatible with an earlier version: reader field 'x' has no default
        final: URL rejects the schema for subject orders-value (status 422): invalid avro
        again: URL reports a server error (status 500): disk full
        again: URL reports a server error (status 503): no reason given
        final: the response of URL is invalid: expected value at line 1 column 1
    "#]].assert_eq(&errors);
}

/// The unknown subject of the probe has a code of Confluent's interface; everything else is no registry.
#[tokio::test]
async fn a_probe_accepts_the_confluent_interface_only() {
    let accepted = [
        (
            404,
            r#"{"error_code":40401,"message":"Subject 'walcast-check' not found."}"#,
        ),
        (
            200,
            r#"{"subject":"walcast-check","version":1,"id":1,"schema":"\"string\""}"#,
        ),
    ];
    for (status, body) in accepted {
        let server = FailingHttp::start(status, body).await.unwrap();
        client(&server.url()).probe().await.unwrap();
    }
    let others = [
        // Two interfaces of Apicurio's registry.
        (
            404,
            r#"{"message":"No such path","error_code":404,"detail":"NotFoundException","name":"NotFoundException"}"#,
        ),
        (
            404,
            r#"{"detail":"No such path","title":"Not Found","status":404}"#,
        ),
        (404, "<html>no such page</html>"),
        (200, r#"{"status":"UP"}"#),
        (200, "[]"),
    ];
    let mut errors = String::new();
    for (status, body) in others {
        let server = FailingHttp::start(status, body).await.unwrap();
        let url = server.url();
        let error = client(&url).probe().await.unwrap_err();
        assert!(
            matches!(
                error,
                RegistryError::NotFound { .. } | RegistryError::UnexpectedAnswer { .. }
            ),
            "{error}"
        );
        errors.push_str(&format!("{}\n", error.to_string().replace(&url, "URL")));
    }
    let expected = [
        "URL is no Confluent schema registry interface (status 404): No such path",
        "URL is no Confluent schema registry interface (status 404): no reason given",
        "URL is no Confluent schema registry interface (status 404): no reason given",
        "the response of URL is invalid: it answers the request for subject walcast-check without a schema",
        "the response of URL is invalid: ",
    ];
    let lines: Vec<&str> = errors.lines().collect();
    assert_eq!(lines.len(), expected.len(), "{errors}");
    for (line, expected) in lines.into_iter().zip(expected) {
        assert!(line.starts_with(expected), "{line}");
    }
}

#[tokio::test]
async fn credentials_are_sent_and_never_printed() {
    let basic = RegistryAuth::Basic {
        user: "walcast".to_owned(),
        password: Secret::new("hunter2"),
    };
    let bearer = RegistryAuth::Bearer {
        token: Secret::new("hunter3"),
    };
    for (auth, header) in [
        (basic, "authorization: Basic d2FsY2FzdDpodW50ZXIy"),
        (bearer, "authorization: Bearer hunter3"),
    ] {
        let (url, serving) = answering("401 Unauthorized", "").await;
        let config = RegistryConfig {
            url,
            auth,
            tls: RegistryTls::default(),
            proxy: None,
            auto_register: true,
        };
        let mut registry = Registry::new(&config).unwrap();
        let error = registry.register("orders-value", ORDER).await.unwrap_err();
        assert!(!error.is_retryable());
        let request = serving.await.unwrap();
        assert!(request.contains(header), "{request}");
        assert!(
            request.starts_with("POST /subjects/orders-value/versions"),
            "{request}"
        );
        for text in [
            error.to_string(),
            format!("{error:?}"),
            format!("{config:?}"),
            format!("{registry:?}"),
        ] {
            assert!(!text.contains("hunter") && !text.contains("d2FsY2FzdD"), "{text}");
        }
    }
}

#[tokio::test]
async fn rejects_an_unusable_url_without_printing_it() {
    for url in [
        "registry:8081",
        "ftp://registry",
        "http://user:hunter2@registry",
        "http://",
    ] {
        let config = RegistryConfig {
            url: url.to_owned(),
            auth: RegistryAuth::None,
            tls: RegistryTls::default(),
            proxy: None,
            auto_register: true,
        };
        let text = Registry::new(&config).unwrap_err().to_string();
        assert!(
            text.starts_with("the URL of the schema registry ") && !text.contains("hunter"),
            "{text}"
        );
    }
    for proxy in ["proxy:3128", "socks5://user:hunter2@proxy"] {
        let config = RegistryConfig {
            proxy: Some(Secret::new(proxy.to_owned())),
            ..config("http://registry:8081")
        };
        let error = Registry::new(&config).unwrap_err();
        assert!(matches!(error, RegistryError::Proxy { .. }), "{error}");
        assert!(!error.to_string().contains("hunter"), "{error}");
    }
}

/// A rejected client certificate is reported after the handshake; a slow client may find the connection closed instead.
#[tokio::test(flavor = "multi_thread")]
async fn reports_a_rejected_client_certificate_to_a_slow_client_too() {
    let options = TlsOptions {
        client_certificate_required: true,
        ..TlsOptions::default()
    };
    let front = TlsFront::start(1, &options).await.unwrap();
    let expired = front.tls().issue_expired_client("walcast").unwrap();
    let identity = ClientIdentity {
        certificate_file: expired.certificate,
        key_file: expired.key,
    };
    for identity in [None, Some(identity)] {
        let registry = Registry::new(&RegistryConfig {
            url: format!("https://127.0.0.1:{}", front.port()),
            auth: RegistryAuth::None,
            tls: RegistryTls {
                ca_file: Some(front.tls().ca()),
                identity,
            },
            proxy: None,
            auto_register: true,
        });
        let registry = registry.unwrap();
        for _ in 0..100 {
            let error = registry.probe().await.unwrap_err();
            assert!(matches!(error, RegistryError::Tls { .. }), "{error}");
        }
    }
}

/// A request whose connection was closed without a response is repeated.
#[tokio::test]
async fn repeats_a_request_that_was_closed_without_a_response() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let registry = client(&format!("http://{}", listener.local_addr().unwrap()));
    let serve = async {
        for _ in 0..3 {
            drop(listener.accept().await.unwrap());
        }
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        assert!(socket.read(&mut request).await.unwrap() > 0);
        let body = r#"{"error_code": 40401, "message": "no subject"}"#;
        let answer = format!(
            "HTTP/1.1 404 Not Found\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        socket.write_all(answer.as_bytes()).await.unwrap();
    };
    let (answer, ()) = tokio::join!(registry.probe(), serve);
    answer.unwrap();
}

#[tokio::test]
async fn schemas_are_found_by_their_id_and_by_the_versions_of_their_subject() {
    let server = walcast_testbed::Registry::start().await.unwrap();
    let mut registry = client(&server.url());
    let id = registry.register("orders-value", ORDER).await.unwrap();
    let versions = registry.versions("orders-value").await.unwrap();
    let [version] = &versions[..] else {
        panic!("{versions:?}")
    };
    assert_eq!((version.version, version.id), (1, id));
    for found in [
        Some(version.schema.clone()),
        registry.schema_by_id(id).await.unwrap(),
    ] {
        let found: serde_json::Value = serde_json::from_str(&found.unwrap()).unwrap();
        assert_eq!(found, serde_json::from_str::<serde_json::Value>(ORDER).unwrap());
    }
    assert_eq!(registry.versions("nothing-value").await.unwrap(), []);
    let unknown = registry.schema_by_id(SchemaId::new(999_999)).await.unwrap();
    assert_eq!(unknown, None);
}
