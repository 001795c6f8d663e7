//! A broker that lies about lengths, talks nonsense, says nothing, or hangs up: `check` says so and ends, after a bounded number of
//! attempts and in bounded memory.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use walcast_tests::{Case, assert_reports};

use super::sockets::{MEMORY_MAX_BYTES, Peer, Seen, assert_harmless, run_against};

const REFUSED: i32 = 1;

/// So often a broker may be connected to by one `check`: its clients try again with growing pauses, for as long as they wait.
const CONNECTIONS_MAX: u64 = 400;

/// A length of 2^31-1, and as much as is taken of what it announces.
async fn lying(mut stream: TcpStream, seen: Seen) {
    let mut request = [0; 4096];
    if stream.read(&mut request).await.unwrap_or(0) == 0 {
        return;
    }
    let mut left = stream.write_all(&i32::MAX.to_be_bytes()).await;
    let piece = [0; 64 << 10];
    while left.is_ok() && seen.bytes_taken() < 600_000_000 {
        seen.took(piece.len());
        left = stream.write_all(&piece).await;
    }
}

/// What is no protocol at all, with something for a terminal in it.
async fn babbling(mut stream: TcpStream, seen: Seen) {
    let mut request = [0; 4096];
    if stream.read(&mut request).await.unwrap_or(0) > 0 {
        let text = b"\0\0\0\x20\x1b]0;PWN\x07\x1b[31mHTTP/1.1 400 no\r\nok    fine\r\n\r\n";
        seen.took(text.len());
        drop(stream.write_all(text).await);
    }
}

/// Takes everything and answers nothing.
async fn silent(mut stream: TcpStream, seen: Seen) {
    let mut request = [0; 4096];
    while stream.read(&mut request).await.unwrap_or(0) > 0 {
        seen.took(0);
    }
}

async fn is_survived(name: &str, peer: Peer) {
    let case = Case::new(name).await;
    let config = case
        .config
        .clone()
        .set("kafka.brokers", format!("127.0.0.1:{}", peer.port));
    let checked = run_against(Some(&peer), &config, &["check"], &[]).await;
    checked.error(REFUSED);
    let line = checked
        .stdout
        .lines()
        .find(|line| line.contains("  kafka brokers  "));
    assert_reports(line.unwrap(), &["FAIL ", &peer.port.to_string()]);
    assert_harmless(&checked.stdout);
    assert_harmless(&checked.stderr);
    let (connections, peak) = (peer.seen.connections(), peer.seen.memory_peak());
    eprintln!(
        "{name}: {connections} connections, {} bytes, most memory {peak} bytes",
        peer.seen.bytes_taken()
    );
    assert!(
        (1..CONNECTIONS_MAX).contains(&connections),
        "{connections} connections"
    );
    assert!(peak < MEMORY_MAX_BYTES, "{peak} bytes of memory");
    assert!(!case.is_set_up().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_lies_about_lengths() {
    is_survived("lying", Peer::start(lying).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_talks_nonsense() {
    is_survived("babbling", Peer::start(babbling).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_says_nothing() {
    is_survived("silent_broker", Peer::start(silent).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_hangs_up() {
    is_survived("hanging_up", Peer::counting().await).await;
}
