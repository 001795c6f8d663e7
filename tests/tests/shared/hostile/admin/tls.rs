//! Silent TLS handshakes, and a file system that hangs below the certificate.

use std::process::Command;

use tokio::net::TcpStream;
use walcast_testbed::{CertificateFiles, ConnectorConfig, Tls};
use walcast_tests::{Case, Finished, Instance, await_that, run};

use super::{CONNECTIONS_MAX, DESCRIPTORS_OF_OURS, ended, text};

/// How many shake hands at once at most (docs/configuration.md).
const HANDSHAKES_MAX: usize = 32;

async fn ask(config: &ConnectorConfig) -> Finished {
    run(config, &["snapshot", "status", "--json"]).await
}

/// A connector that serves over TLS.
struct Served {
    case: Case<'static>,
    files: CertificateFiles,
    instance: Instance,
    _folder: tempfile::TempDir,
}

async fn served(name: &str) -> Served {
    let mut case = Case::new(name).await;
    let folder = tempfile::tempdir().unwrap();
    let tls = Tls::create(folder.path().to_path_buf()).unwrap();
    let files = tls.issue_for_server(&["127.0.0.1"]).unwrap();
    case.config = case
        .config
        .set("admin.certificate_file", text(&files.certificate))
        .set("admin.key_file", text(&files.key))
        .set("admin.ca_file", text(&tls.ca()));
    let instance = Instance::spawn(&case.config);
    await_that("an answer over TLS", async || {
        ask(&case.config).await.code == Some(0)
    })
    .await;
    Served {
        case,
        files,
        instance,
        _folder: folder,
    }
}

#[tokio::test]
async fn a_client_is_answered_beside_silent_handshakes() {
    const SILENT: usize = 100;
    let Served {
        case,
        mut instance,
        _folder,
        ..
    } = served("silent").await;
    let idle = instance.descriptors();
    // Answered while handshakes that were begun before are still open: it has not waited for their end. On a busy machine they
    // may all reach their limit first, and it is tried again.
    await_that("an answer beside silent handshakes", async || {
        let mut silent = Vec::new();
        for _ in 0..SILENT {
            silent.push(TcpStream::connect(case.config.admin_address()).await.unwrap());
        }
        // Its own handshake may reach the limit too.
        let is_answered = ask(&case.config).await.code == Some(0);
        let descriptors = instance.descriptors();
        let most = idle + CONNECTIONS_MAX + DESCRIPTORS_OF_OURS;
        assert!(descriptors <= most, "{descriptors} > {most}");
        is_answered && SILENT - ended(&mut silent).await >= HANDSHAKES_MAX / 2
    })
    .await;
    instance.stop().await;
}

#[tokio::test]
async fn a_certificate_whose_file_hangs_is_shown_as_it_was() {
    let Served {
        case,
        files,
        mut instance,
        _folder,
    } = served("hanging").await;
    let warning = "the admin port keeps the certificate that was read before";
    // A file that was read slowly on a busy machine was warned of too.
    let before = instance.log().matches(warning).count();
    std::fs::remove_file(&files.certificate).unwrap();
    let made = Command::new("mkfifo").arg(&files.certificate).status().unwrap();
    assert!(made.success());
    // A handshake takes three seconds at most, and a busy machine may need longer for one.
    let answer = async || await_that("an answer", async || ask(&case.config).await.code == Some(0)).await;
    await_that("the warning", async || {
        answer().await;
        instance.log().matches(warning).count() > before
    })
    .await;
    for _ in 0..3 {
        answer().await;
    }
    assert_eq!(instance.log().matches(warning).count() - before, 1);
    instance.stop().await;
}
