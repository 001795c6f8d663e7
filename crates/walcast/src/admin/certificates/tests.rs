use walcast_testbed::Tls;

use super::*;

#[tokio::test(start_paused = true)]
async fn files_are_read_at_most_once_a_second_and_an_invalid_file_is_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let tls = Tls::create(folder.path().to_path_buf()).unwrap();
    let made = tls.issue_for_server(&["127.0.0.1"]).unwrap();
    let files = TlsFiles {
        identity: Identity {
            certificate_file: made.certificate.clone(),
            key_file: made.key,
        },
        client_ca_file: None,
    };
    let certificates = Certificates::read(files).await.unwrap();
    let first = certificates.current().await;
    assert!(Arc::ptr_eq(&first, &certificates.current().await));

    tokio::time::advance(READ_INTERVAL).await;
    let renewed = certificates.current().await;
    assert!(!Arc::ptr_eq(&first, &renewed));
    assert!(Arc::ptr_eq(&renewed, &certificates.current().await));

    let whole = std::fs::read(&made.certificate).unwrap();
    std::fs::write(&made.certificate, "broken").unwrap();
    for _ in 0..3 {
        tokio::time::advance(READ_INTERVAL).await;
        assert!(Arc::ptr_eq(&renewed, &certificates.current().await));
    }
    let warned = certificates.state.borrow().warned.clone();
    let wanted = made.certificate.display().to_string();
    assert!(
        warned.as_ref().is_some_and(|warned| warned.contains(&wanted)),
        "{warned:?}"
    );

    std::fs::write(&made.certificate, whole).unwrap();
    tokio::time::advance(READ_INTERVAL).await;
    assert!(!Arc::ptr_eq(&renewed, &certificates.current().await));
    assert_eq!(certificates.state.borrow().warned, None);
}

#[test]
fn errors_name_the_key_of_the_file() {
    let file = TlsError::File {
        key: "certificate_file",
        path: "/etc/walcast/admin.pem".into(),
        reason: "no certificate".to_owned(),
    };
    assert_eq!(
        file.to_string(),
        "[admin] certificate_file /etc/walcast/admin.pem cannot be used: no certificate"
    );
    let mismatch = TlsError::from(rustls::Error::NoCertificatesPresented).to_string();
    assert!(
        mismatch.starts_with("[admin] certificate_file and key_file cannot be used: "),
        "{mismatch}"
    );
    let roots = Arc::new(RootCertStore::empty());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let empty = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
    let authorities = TlsError::from(empty.unwrap_err()).to_string();
    assert!(
        authorities.starts_with("[admin] client_ca_file cannot be used: "),
        "{authorities}"
    );
    assert!(TlsError::Timeout.to_string().contains("could not be read within"));
}
