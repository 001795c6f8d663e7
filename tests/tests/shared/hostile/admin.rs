//! Clients of the admin port that hold connections open, send requests in pieces, or send more than any client needs.

mod forged;
mod tls;

use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use walcast_testbed::ConnectorConfig;
use walcast_tests::{Case, Instance, LIMIT, await_that, http};

/// How many connections the admin port has at most (docs/configuration.md).
const CONNECTIONS_MAX: usize = 64;

/// What the connector may open for itself meanwhile: connections to the broker, the source and the registry.
const DESCRIPTORS_OF_OURS: usize = 16;

/// How much more memory a client may ever take.
const MEMORY_MAX_BYTES: u64 = 16 << 20;

/// The token that the connector has stored.
fn token(config: &ConnectorConfig) -> String {
    let text = std::fs::read_to_string(config.admin_token_file()).unwrap();
    text.trim_end().to_owned()
}

/// Sends bytes to the admin port, and reads until the connection ends. A reset ends it too.
async fn exchange(config: &ConnectorConfig, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(config.admin_address()).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let mut answer = Vec::new();
    // What is answered before everything is sent is read all the same.
    let sent = async {
        drop(writer.write_all(bytes).await);
    };
    let read = async {
        drop(reader.read_to_end(&mut answer).await);
    };
    let both = async { tokio::join!(sent, read) };
    let ended = tokio::time::timeout(LIMIT, both).await;
    assert!(ended.is_ok(), "the connection did not end: {answer:?}");
    String::from_utf8_lossy(&answer).into_owned()
}

/// How many of these connections the connector has ended.
async fn ended(streams: &mut [TcpStream]) -> usize {
    let mut ended = 0;
    for stream in streams {
        let mut byte = [0];
        // Anything to read, an error included, is there at once, or the connection is open.
        let read = tokio::time::timeout(Duration::ZERO, stream.peek(&mut byte)).await;
        ended += usize::from(matches!(read, Ok(Ok(0) | Err(_))));
    }
    ended
}

async fn assert_alive(config: &ConnectorConfig) {
    let url = format!("http://{}/healthz", config.admin_address());
    assert_eq!(http("GET", &url, "").await.status, 200);
}

#[tokio::test]
async fn hundreds_of_half_requests_leave_descriptors_and_an_answer_for_a_probe() {
    const HALF: &[u8] = b"GET /status HTTP/1.1\r\nHost: localhost\r\nX-Slow: ";
    const COUNT: usize = 300;
    let mut case = Case::new("slow_heads").await;
    case.config = case.config.set("retry.backoff_min", "100ms");
    let mut instance = Instance::start(&case.config).await;
    let idle = instance.descriptors();
    let mut streams = Vec::new();
    for _ in 0..COUNT {
        let mut stream = TcpStream::connect(case.config.admin_address()).await.unwrap();
        // Some are ended for others already.
        drop(stream.write_all(HALF).await);
        streams.push(stream);
    }
    assert_alive(&case.config).await;
    let most = idle + CONNECTIONS_MAX + DESCRIPTORS_OF_OURS;
    assert!(
        instance.descriptors() <= most,
        "{} > {most}",
        instance.descriptors()
    );
    await_that("the end of those that are too many", async || {
        ended(&mut streams).await >= COUNT - CONNECTIONS_MAX
    })
    .await;

    // The connector has descriptors left for itself.
    let cut = format!(
        "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '{}'",
        case.slot()
    );
    assert_eq!(case.text(&cut).await, "t");
    case.insert([1]).await;
    case.await_ids([1]).await;
    assert!(
        instance.descriptors() <= most,
        "{} > {most}",
        instance.descriptors()
    );
    instance.stop().await;
}

#[tokio::test]
async fn answers_that_are_not_read_leave_an_answer_for_a_probe() {
    let case = Case::new("unread").await;
    let mut instance = Instance::start(&case.config).await;
    let idle = instance.descriptors();
    let requests = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(500);
    let mut streams = Vec::new();
    for _ in 0..2 * CONNECTIONS_MAX {
        let stream = TcpStream::connect(case.config.admin_address()).await.unwrap();
        // As much as the connector takes without being read from.
        drop(stream.try_write(requests.as_bytes()));
        streams.push(stream);
    }
    assert_alive(&case.config).await;
    let most = idle + CONNECTIONS_MAX + DESCRIPTORS_OF_OURS;
    assert!(
        instance.descriptors() <= most,
        "{} > {most}",
        instance.descriptors()
    );
    instance.stop().await;
}

#[tokio::test]
async fn hundreds_of_requests_at_once_on_one_connection_are_all_answered() {
    const COUNT: usize = 500;
    let case = Case::new("pipelined").await;
    let mut instance = Instance::start(&case.config).await;
    let one = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let last = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answers = exchange(
        &case.config,
        format!("{}{last}", one.repeat(COUNT - 1)).as_bytes(),
    )
    .await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK\r\n").count(), COUNT);
    instance.stop().await;
}

#[tokio::test]
async fn large_heads_and_bodies_are_refused_without_being_held() {
    let case = Case::new("large_request").await;
    let mut instance = Instance::start(&case.config).await;
    let idle = instance.usage().resident_bytes_peak;
    let get = "GET /status HTTP/1.1\r\nHost: localhost\r\n";
    let large: String = (0..100)
        .map(|number| format!("X-{number}: {}\r\n", "x".repeat(8 << 10)))
        .collect();
    let many: String = (0..65).map(|number| format!("X-{number}: x\r\n")).collect();
    // The reset that follows may overtake the answer to what is too large.
    let answer = exchange(&case.config, format!("{get}{large}\r\n").as_bytes()).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431 "),
        "{answer}"
    );
    let answer = exchange(&case.config, format!("{get}{many}\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");

    let length = 10_000_000;
    let post = format!(
        "POST /snapshot HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    // Nothing of the body is sent: a server that waits for it never answers.
    let answer = exchange(&case.config, post.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    let answer = exchange(&case.config, format!("{post}{}", "x".repeat(length)).as_bytes()).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 401 "),
        "{answer}"
    );
    let chunked = format!(
        "POST /snapshot HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAuthorization: Bearer {}\r\n\
         Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n",
        token(&case.config)
    );
    let answer = exchange(
        &case.config,
        format!("{chunked}{}", " ".repeat(length)).as_bytes(),
    )
    .await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 413 "),
        "{answer}"
    );

    let taken = instance.usage().resident_bytes_peak - idle;
    assert!(taken <= MEMORY_MAX_BYTES, "{taken} bytes");
    assert_alive(&case.config).await;
    instance.stop().await;
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}
