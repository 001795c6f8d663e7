//! Requests that a page in a browser makes, and requests that two servers read in two ways.

use walcast_tests::{Case, Instance};

use super::{exchange, token};

/// The status lines of all answers, without `HTTP/1.1`.
fn statuses(answers: &str) -> Vec<&str> {
    let lines = answers.lines();
    lines.filter_map(|line| line.strip_prefix("HTTP/1.1 ")).collect()
}

#[tokio::test]
async fn a_page_in_a_browser_reads_and_changes_nothing() {
    let case = Case::new("pages").await;
    let mut instance = Instance::start(&case.config).await;
    let port = case.config.admin_address().replace("127.0.0.1:", "");
    let start = r#"{"action":"start","tables":[{"tables":"public.items"}]}"#;
    let post = format!(
        "Content-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n",
        start.len()
    );
    let own = format!("Host: localhost:{port}\r\n");
    let pages = [
        (
            "a name of its own that resolves to loopback",
            format!("Host: evil.example:{port}\r\n"),
            "421 Misdirected Request",
        ),
        (
            "the same, as the finding has it",
            format!("Host: evil.example:{port}\r\nOrigin: http://evil.example:{port}\r\n"),
            "421 Misdirected Request",
        ),
        (
            "another site",
            format!("{own}Sec-Fetch-Site: cross-site\r\n"),
            "403 Forbidden",
        ),
        (
            "another port of this machine",
            format!("{own}Sec-Fetch-Site: same-site\r\n"),
            "403 Forbidden",
        ),
        (
            "another port of this machine, without metadata",
            format!("{own}Origin: http://localhost:1\r\n"),
            "403 Forbidden",
        ),
        (
            "a link in another site",
            format!(
                "{own}Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n"
            ),
            "403 Forbidden",
        ),
        (
            "a frame of another site",
            format!(
                "{own}Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n"
            ),
            "403 Forbidden",
        ),
        (
            "a form of another site",
            format!("{own}Origin: http://evil.example\r\n"),
            "403 Forbidden",
        ),
        (
            "a sandboxed frame",
            format!("{own}Origin: null\r\n"),
            "403 Forbidden",
        ),
    ];
    for (name, headers, wanted) in &pages {
        for path in ["/status", "/metrics", "/snapshot", "/healthz", "/api/v1/overview"] {
            let request = format!("GET {path} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n");
            let answers = exchange(&case.config, request.as_bytes()).await;
            assert_eq!(statuses(&answers), [*wanted], "{name}: {path}");
        }
        let request = format!("POST /snapshot HTTP/1.1\r\n{headers}{post}\r\n{start}");
        let answers = exchange(&case.config, request.as_bytes()).await;
        assert_eq!(statuses(&answers), [*wanted], "{name}");
    }
    // Not even with the token, which no page has.
    let shown = format!("Authorization: Bearer {}\r\n", token(&case.config));
    for (name, headers, wanted) in &pages {
        let request = format!("POST /snapshot HTTP/1.1\r\n{headers}{post}{shown}\r\n{start}");
        let answers = exchange(&case.config, request.as_bytes()).await;
        assert_eq!(statuses(&answers), [*wanted], "{name}");
    }
    // A program that has no token.
    let request = format!("POST /snapshot HTTP/1.1\r\n{own}{post}\r\n{start}");
    let answers = exchange(&case.config, request.as_bytes()).await;
    assert_eq!(statuses(&answers), ["401 Unauthorized"]);
    let status = instance.status().await;
    assert_eq!(status["snapshot"]["tables_remaining"], 0, "{status:#}");
    assert!(
        case.checkpoint().await.get("snapshot").is_none(),
        "nothing was asked for"
    );
    instance.stop().await;
}

#[tokio::test]
async fn a_request_that_can_be_read_in_two_ways_is_refused_and_nothing_behind_it_is_read() {
    let case = Case::new("smuggled").await;
    let mut instance = Instance::start(&case.config).await;
    let get = "GET /status HTTP/1.1\r\n";
    let host = "Host: localhost\r\n";
    let post = format!("POST /snapshot HTTP/1.1\r\n{host}Content-Type: application/json\r\n");
    let behind = format!("{get}{host}Connection: close\r\n\r\n");
    let shown = format!("Authorization: Bearer {}\r\n", token(&case.config));
    for (name, request, wanted) in [
        (
            "a length and chunks",
            format!("{post}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            "401 Unauthorized",
        ),
        (
            "chunks and a length",
            format!("{post}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"),
            "401 Unauthorized",
        ),
        // Chunks count, and the request ends the connection: nothing of its length is read as another request.
        (
            "a length and chunks, with the token",
            format!("{post}{shown}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            "400 Bad Request",
        ),
        (
            "a page with a length and chunks",
            format!("{get}{host}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            "200 OK",
        ),
        (
            "two lengths",
            format!("{post}Content-Length: 0\r\nContent-Length: 4\r\n\r\n"),
            "400 Bad Request",
        ),
        (
            "a length that is no number",
            format!("{post}Content-Length: +0\r\n\r\n"),
            "400 Bad Request",
        ),
        (
            "chunks that are not the last encoding",
            format!("{post}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
            "400 Bad Request",
        ),
        (
            "a header over two lines",
            format!("{get}{host}X-Folded: a\r\n b\r\n\r\n"),
            "400 Bad Request",
        ),
        (
            "a space before the colon",
            format!("{get}Host : localhost\r\n\r\n"),
            "400 Bad Request",
        ),
        (
            "two hosts",
            format!("{get}{host}Host: evil.example\r\n\r\n"),
            "400 Bad Request",
        ),
        (
            "two hosts, ours last",
            format!("{get}Host: evil.example\r\n{host}\r\n"),
            "400 Bad Request",
        ),
        ("no host", format!("{get}\r\n"), "400 Bad Request"),
        (
            "a target on another host",
            format!("GET http://evil.example/status HTTP/1.1\r\n{host}\r\n"),
            "400 Bad Request",
        ),
        (
            "a target on our host, and another host",
            "GET http://localhost/status HTTP/1.1\r\nHost: evil.example\r\n\r\n".to_owned(),
            "400 Bad Request",
        ),
        (
            "a user before the host",
            format!("{get}Host: localhost@evil.example\r\n\r\n"),
            "400 Bad Request",
        ),
    ] {
        let answers = exchange(&case.config, format!("{request}{behind}").as_bytes()).await;
        assert_eq!(statuses(&answers), [wanted], "{name}: {answers}");
    }
    assert_eq!(
        statuses(&exchange(&case.config, behind.as_bytes()).await),
        ["200 OK"]
    );
    instance.stop().await;
}
