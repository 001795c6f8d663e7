use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// Long enough for two bytes on loopback, short enough to be waited for.
const A_WHILE: Duration = Duration::from_millis(300);

/// A target that sends back what it gets.
async fn echo() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await.ok();
            });
        }
    });
    port
}

async fn says_back(stream: &mut TcpStream) -> bool {
    stream.write_all(b"hi").await.is_ok() && hears(stream, b"hi").await
}

async fn hears(stream: &mut TcpStream, words: &[u8]) -> bool {
    let mut answer = vec![0; words.len()];
    stream.read_exact(&mut answer).await.is_ok() && answer == words
}

async fn proxy() -> (Proxy, TcpStream) {
    let proxy = Proxy::start(echo().await).await.unwrap();
    let stream = TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap();
    (proxy, stream)
}

#[tokio::test]
async fn a_line_is_forwarded_cut_closed_and_opened() {
    let (proxy, mut first) = proxy().await;
    let connect = || TcpStream::connect(("127.0.0.1", proxy.port()));
    assert!(says_back(&mut first).await);
    proxy.cut();
    assert!(first.read_u8().await.is_err());
    assert!(says_back(&mut connect().await.unwrap()).await);

    proxy.close();
    assert!(!says_back(&mut connect().await.unwrap()).await);
    proxy.open();
    assert!(says_back(&mut connect().await.unwrap()).await);
}

#[tokio::test]
async fn stalled_bytes_arrive_when_it_flows_again() {
    let (proxy, mut stream) = proxy().await;
    proxy.stall();
    assert!(timeout(A_WHILE, says_back(&mut stream)).await.is_err());
    proxy.flow();
    assert!(hears(&mut stream, b"hi").await);
    assert!(says_back(&mut stream).await);
}

#[tokio::test]
async fn a_half_open_connection_talks_and_hears_nothing() {
    let (proxy, mut stream) = proxy().await;
    proxy.let_flow(Direction::ToClient, Flow::Held);
    assert!(timeout(A_WHILE, says_back(&mut stream)).await.is_err());
    proxy.cut();
    assert!(stream.read_u8().await.is_err());
}

#[tokio::test]
async fn only_so_many_bytes_pass() {
    let (proxy, mut stream) = proxy().await;
    assert!(says_back(&mut stream).await);
    proxy.let_flow(Direction::ToClient, Flow::Only(3));
    stream.write_all(b"hello").await.unwrap();
    assert!(hears(&mut stream, b"hel").await);
    assert!(timeout(A_WHILE, hears(&mut stream, b"l")).await.is_err());
    proxy.flow();
    // The read that was cancelled took nothing.
    assert!(hears(&mut stream, b"lo").await);
}

#[tokio::test]
async fn slow_lines_lose_nothing() {
    let (proxy, mut stream) = proxy().await;
    let long: Vec<u8> = (0..2000_u32).map(|number| number.to_le_bytes()[0]).collect();
    for flow in [
        Flow::Dripping(Duration::ZERO),
        Flow::Delayed(Duration::from_millis(20)),
    ] {
        proxy.let_flow(Direction::ToTarget, flow);
        proxy.let_flow(Direction::ToClient, flow);
        stream.write_all(&long).await.unwrap();
        assert!(hears(&mut stream, &long).await);
    }
}
