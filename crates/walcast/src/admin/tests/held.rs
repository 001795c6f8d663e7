//! Connections that clients hold open.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::super::connections::CONNECTIONS_MAX;
use super::watched;

const HALF: &[u8] = b"GET /status HTTP/1.1\r\nHost: localhost\r\nX-";

/// Reads until the connector closes or resets the connection.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    drop(stream.read_to_end(&mut rest).await);
    rest
}

#[tokio::test]
async fn the_oldest_connection_is_closed_for_a_new_one() {
    let watched = watched().await;
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS_MAX + 10 {
        let mut stream = TcpStream::connect(watched.address).await.unwrap();
        stream.write_all(HALF).await.unwrap();
        // An answer shows that the connections before it are accepted.
        let (head, _) = watched.get("/healthz").await;
        assert_eq!(head, "HTTP/1.1 200 OK");
        held.push(stream);
    }
    for stream in &mut held[..10] {
        assert_eq!(rest(stream).await, b"");
    }
}

#[tokio::test(start_paused = true)]
async fn silent_clients_and_incomplete_requests_time_out() {
    let watched = watched().await;
    for said in [
        &b""[..],
        HALF,
        b"POST /snapshot HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer s3cret\r\n\
          Content-Type: application/json\r\nContent-Length: 10\r\n\r\n{",
    ] {
        let mut stream = TcpStream::connect(watched.address).await.unwrap();
        stream.write_all(said).await.unwrap();
        assert_eq!(
            rest(&mut stream).await,
            b"",
            "{:?}",
            String::from_utf8_lossy(said)
        );
    }
    // A connection that has served a request times out as well.
    let mut stream = TcpStream::connect(watched.address).await.unwrap();
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let answer = rest(&mut stream).await;
    assert!(
        answer.starts_with(b"HTTP/1.1 200 OK\r\n"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
}
