//! A registry, or what stands in its place, that floods, redirects, quotes what it was sent, stalls, or writes to the terminal.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use walcast_testbed::ConnectorConfig;
use walcast_tests::{Case, Finished, assert_reports};

use super::sockets::{MEMORY_MAX_BYTES, Peer, Seen, assert_harmless, request_head, run_against};

const REFUSED: i32 = 1;
const DONE: i32 = 0;

/// What the flood offers, as a header says.
const OFFERED_BYTES: u64 = 600_000_000;

/// What may leave the flood: the 8 MiB that are read, and what the system's buffers of a connection hold.
const TAKEN_BYTES_MAX: u64 = 40_000_000;

const PASSWORD: &str = "Xk7-registry-word";
/// `walcast:Xk7-registry-word` in base64.
const ENCODED: &str = "d2FsY2FzdDpYazctcmVnaXN0cnktd29yZA";
const PROXY_PASSWORD: &str = "Xk7-proxy-word";
/// `proxied:Xk7-proxy-word` in base64.
const PROXY_ENCODED: &str = "cHJveGllZDpYazctcHJveHktd29yZA";

fn with_registry(case: &Case<'_>, url: &str) -> ConnectorConfig {
    case.config.clone().set("registry.url", url)
}

fn with_credentials(config: ConnectorConfig) -> ConnectorConfig {
    config
        .set("registry.username", "walcast")
        .set("registry.password", PASSWORD)
}

/// The line of `check` about the registry.
fn finding(checked: &Finished) -> &str {
    let mut lines = checked
        .stdout
        .lines()
        .filter(|line| line.contains("  schema registry  "));
    let line = lines.next().unwrap_or_else(|| panic!("{checked:#?}"));
    assert_eq!(lines.next(), None, "{checked:#?}");
    line
}

/// Runs `check` against a registry that answers every request so; the line about it.
async fn checked(case: &Case<'_>, peer: &Peer) -> String {
    let checked = run_against(Some(peer), &with_registry(case, &peer.url()), &["check"], &[]).await;
    checked.error(REFUSED);
    assert_harmless(&checked.stdout);
    assert_harmless(&checked.stderr);
    let line = finding(&checked);
    assert!(line.starts_with("FAIL "), "{line}");
    line.to_owned()
}

/// One that answers every request with these bytes, and closes.
async fn answering(answer: impl Fn(&str) -> String + Clone + Send + Sync + 'static) -> Peer {
    Peer::start(move |mut stream, _| {
        let answer = answer.clone();
        async move {
            let Some(head) = request_head(&mut stream).await else {
                return;
            };
            // Whether it still listens is its own affair.
            drop(stream.write_all(answer(&head).as_bytes()).await);
        }
    })
    .await
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

fn refusal(message: &str) -> String {
    let body = serde_json::json!({ "error_code": 40301, "message": message });
    answer("403 Forbidden", "", &body.to_string())
}

/// Sends a piece again and again until the other side has enough.
async fn flood(mut stream: TcpStream, seen: Seen) {
    if request_head(&mut stream).await.is_none() {
        return;
    }
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {OFFERED_BYTES}\r\n\r\n{{\"schema\": \"");
    if stream.write_all(head.as_bytes()).await.is_err() {
        return;
    }
    let piece = [b'x'; 64 << 10];
    while seen.bytes_taken() < OFFERED_BYTES && stream.write_all(&piece).await.is_ok() {
        seen.took(piece.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_cut_off() {
    let case = Case::new("flood").await;
    let peer = Peer::start(flood).await;
    let line = checked(&case, &peer).await;
    assert_reports(&line, &["answers with more than 8388608 bytes"]);
    let (taken, peak) = (peer.seen.bytes_taken(), peer.seen.memory_peak());
    eprintln!("of {OFFERED_BYTES} bytes {taken} left the flood; most memory {peak} bytes");
    assert!(taken < TAKEN_BYTES_MAX, "{taken} bytes were taken");
    assert!(peak > 0 && peak < MEMORY_MAX_BYTES, "{peak} bytes of memory");
    assert_eq!(peer.seen.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_message_is_cut() {
    let case = Case::new("long_message").await;
    let peer = answering(|_| refusal(&"no ".repeat(5_000_000 / 3))).await;
    let line = checked(&case, &peer).await;
    assert_reports(&line, &["denies access (status 403): no no no", "bytes in all)"]);
    assert!(line.len() < 2_048, "{} bytes", line.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_followed_nowhere() {
    let case = Case::new("redirect").await;
    let target = Peer::counting().await;
    for status in [
        "301 Moved",
        "302 Found",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let location = format!("Location: {}/secret?path=1\r\n", target.url());
        let peer = answering(move |_| answer(status, &location, "")).await;
        let line = checked(&case, &peer).await;
        let code = status.split(' ').next().unwrap();
        assert_reports(
            &line,
            &[
                &format!("redirect to 127.0.0.1:{} (status {code})", target.port),
                "set [registry] url",
            ],
        );
        assert!(!line.contains("secret"), "{line}");
        let ended = run_against(None, &with_registry(&case, &peer.url()), &["run"], &[]).await;
        assert_reports(ended.error(7), &["redirect to 127.0.0.1"]);
    }
    assert_eq!(target.seen.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_are_quoted_back_are_not_printed() {
    let case = Case::new("quoted_back").await;
    let peer = answering(|head| {
        let quoted = head.to_owned();
        refusal(&format!("bad credentials walcast:{PASSWORD}: {quoted}"))
    })
    .await;
    let config = with_credentials(with_registry(&case, &peer.url()));
    for arguments in [
        &["check"][..],
        &["check", "--json"],
        &["check", "--log-level", "trace"],
        &["run"],
        &["run", "--log-format", "json", "--log-level", "debug"],
    ] {
        let ended = run_against(None, &config, arguments, &[]).await;
        assert!(
            format!("{}{}", ended.stdout, ended.stderr).contains("bad credentials walcast:[redacted]")
                || format!("{}{}", ended.stdout, ended.stderr).contains("bad credentials [redacted]"),
            "{ended:#?}"
        );
        ended.assert_silent_about(&[PASSWORD, ENCODED]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_moves_no_cursor_and_forges_no_line() {
    let case = Case::new("forging").await;
    let peer = answering(|_| {
        refusal("no\nok    schema registry  fine\r\u{1b}]0;PWN\u{7}\u{1b}[31m\u{9b}2J\u{202e}\u{2066}\u{7f}")
    })
    .await;
    let line = checked(&case, &peer).await;
    assert_reports(
        &line,
        &["\\u{1b}]0;PWN\\u{7}\\u{1b}[31m\\u{9b}2J\\u{202e}\\u{2066}\\u{7f}"],
    );
    let ended = run_against(None, &with_registry(&case, &peer.url()), &["run"], &[]).await;
    assert_reports(ended.error(7), &["\\u{1b}[31m"]);
    assert_harmless(&ended.stderr);
    let json = run_against(
        None,
        &with_registry(&case, &peer.url()),
        &["check", "--json"],
        &[],
    )
    .await;
    assert_harmless(&json.stdout);
    let findings: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert!(
        findings.to_string().contains("\u{202e}"),
        "JSON keeps the text: {findings}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_never_ends_is_left() {
    let case = Case::new("drip").await;
    let peer = Peer::start(|mut stream, seen: Seen| async move {
        if request_head(&mut stream).await.is_none() {
            return;
        }
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        let mut left = stream.write_all(head).await;
        while left.is_ok() {
            pace.tick().await;
            left = stream.write_all(b"1\r\nx\r\n").await;
            seen.took(6);
        }
    })
    .await;
    let line = checked(&case, &peer).await;
    assert_reports(&line, &["no answer from"]);
    assert_eq!(peer.seen.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn proxies_of_the_environment_see_nothing() {
    let case = Case::new("proxies").await;
    let proxy = Peer::counting().await;
    let url = proxy.url();
    let names = [
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
    ];
    let environment: Vec<(&str, &str)> = names.iter().map(|name| (*name, url.as_str())).collect();
    let config = with_credentials(case.config.clone());
    let checked = run_against(None, &config, &["check"], &environment).await;
    assert_eq!(checked.code, Some(DONE), "{checked:#?}");
    assert!(finding(&checked).starts_with("ok "), "{checked:#?}");
    // Commands that ask a Connect worker or the connector itself.
    let worker = Peer::counting().await;
    for arguments in [
        &["snapshot", "status"][..],
        &[
            "migrate",
            "debezium-offset",
            "--offset",
            r#"{"lsn_commit": 23832392}"#,
            "--connector",
            "c",
            "--connect-url",
            &worker.url(),
        ],
    ] {
        let ended = run_against(None, &config, arguments, &environment).await;
        assert_ne!(ended.code, Some(DONE), "{ended:#?}");
    }
    assert!(worker.seen.connections() > 0, "the worker was not asked");
    assert_eq!(proxy.seen.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_configured_is_used_and_its_password_is_not_printed() {
    let case = Case::new("proxied").await;
    let proxy = answering(|head| refusal(&format!("not for you, {head}"))).await;
    let url = format!("http://proxied:{PROXY_PASSWORD}@127.0.0.1:{}", proxy.port);
    let config = case.config.clone().set("registry.proxy", url);
    let checked = run_against(None, &config, &["check"], &[]).await;
    checked.error(REFUSED);
    assert_reports(finding(&checked), &["not for you"]);
    checked.assert_silent_about(&[PROXY_PASSWORD, PROXY_ENCODED]);
    assert!(proxy.seen.connections() > 0);
}

/// A worker or a connector whose answer sends the command elsewhere, with its token.
#[tokio::test(flavor = "multi_thread")]
async fn commands_follow_no_redirect() {
    let case = Case::new("commands_redirected").await;
    let target = Peer::counting().await;
    let location = format!("Location: {}/\r\n", target.url());
    let peer = answering(move |_| answer("307 Temporary Redirect", &location, "")).await;
    let asked = [
        "migrate",
        "debezium-offset",
        "--offset",
        r#"{"lsn_commit": 23832392}"#,
        "--connector",
        "c",
        "--connect-url",
        &peer.url(),
    ];
    let ended = run_against(None, &case.config, &asked, &[]).await;
    assert!(ended.stderr.contains("answers 307"), "{ended:#?}");
    let listen = format!("127.0.0.1:{}", peer.port);
    let config = case.config.clone().set("admin.listen", listen);
    let ended = run_against(None, &config, &["snapshot", "status"], &[]).await;
    assert!(ended.stderr.contains("answers 307"), "{ended:#?}");
    assert_eq!(target.seen.connections(), 0);
    assert!(peer.seen.connections() >= 2);
}
