//! The console over HTTP.

use tokio::net::TcpStream;

use super::{Watched, watched};

/// Head and body of the response to a `GET` with these headers.
async fn get(watched: &Watched, path: &str, headers: &str) -> (String, String) {
    let mut stream = TcpStream::connect(watched.address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
    Watched::send(&mut stream, &request).await
}

#[tokio::test]
async fn the_console_is_served_with_strict_headers_and_cached_by_its_tag() {
    let watched = watched().await;
    for (path, content_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/console", "text/html; charset=utf-8"),
        ("/console/console.css", "text/css; charset=utf-8"),
        ("/console/console.js", "text/javascript; charset=utf-8"),
    ] {
        let (head, body) = get(&watched, path, "").await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{path}: {head}");
        for line in [
            &format!("content-type: {content_type}"),
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "x-frame-options: DENY",
            "cache-control: no-cache",
            "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
             img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ] {
            assert!(
                head.lines().any(|found| found == line),
                "{path}: no {line:?} in {head}"
            );
        }
        assert!(!body.is_empty(), "{path}");
        let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
        let (head, body) = get(&watched, path, &format!("If-None-Match: {tag}\r\n")).await;
        assert!(
            head.starts_with("HTTP/1.1 304 Not Modified\r\n"),
            "{path}: {head}"
        );
        assert_eq!(body, "", "{path}");
    }
}

#[tokio::test]
async fn a_link_leads_to_the_console_and_a_frame_does_not_show_it() {
    let watched = watched().await;
    let navigation = "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n";
    for (path, destination, wanted) in [
        ("/", "document", "200 OK"),
        ("/console", "document", "200 OK"),
        ("/", "iframe", "403 Forbidden"),
        ("/status", "document", "403 Forbidden"),
        ("/console/console.js", "document", "403 Forbidden"),
    ] {
        let headers = format!("{navigation}Sec-Fetch-Dest: {destination}\r\n");
        let (head, _) = get(&watched, path, &headers).await;
        assert!(
            head.starts_with(&format!("HTTP/1.1 {wanted}\r\n")),
            "{path} {destination}: {head}"
        );
    }
}

#[tokio::test]
async fn the_page_acts_with_the_token_alone() {
    let watched = watched().await;
    let page =
        "Content-Type: application/json\r\nOrigin: http://localhost\r\nSec-Fetch-Site: same-origin\r\n";
    let (head, _) = watched.post(page, r#"{"action":"pause"}"#).await;
    assert_eq!(head, "HTTP/1.1 401 Unauthorized");
    // The request passes, and is not one that the connector knows.
    let with_token = format!("{page}Authorization: Bearer s3cret\r\n");
    let (head, _) = watched.post(&with_token, r#"{"action":"explode"}"#).await;
    assert_eq!(head, "HTTP/1.1 422 Unprocessable Entity");
}
