use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

/// Content that the broker of these tests answers with, behind the correlation id.
const CONTENT: &[u8] = b"the content";

/// A broker that gives every request the same content.
async fn broker() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                while let Ok(length) = stream.read_u32().await {
                    let mut request = vec![0; length as usize];
                    stream.read_exact(&mut request).await.unwrap();
                    let response = [&request[4..8], CONTENT].concat();
                    stream
                        .write_u32(u32::try_from(response.len()).unwrap())
                        .await
                        .unwrap();
                    stream.write_all(&response).await.unwrap();
                }
            });
        }
    });
    port
}

/// A request of this kind with correlation id 7.
fn request(api: Api) -> Vec<u8> {
    let body = [
        &api.key().to_be_bytes()[..],
        &[0, 1],
        &7_i32.to_be_bytes(),
        b"rest",
    ]
    .concat();
    [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], &body].concat()
}

/// An honest response to it.
fn honest() -> Vec<u8> {
    [&15_u32.to_be_bytes()[..], &7_u32.to_be_bytes(), CONTENT].concat()
}

/// All bytes that a client gets whose response is changed: to the end of the connection, or of the honest response to its next
/// request.
async fn response(falsehood: Falsehood) -> Vec<u8> {
    let closes = matches!(falsehood, Falsehood::CutOff | Falsehood::Flood(_));
    let proxy = FalseBroker::start(broker().await).await.unwrap();
    proxy.falsify(Api::Fetch, falsehood, 1);
    let mut stream = TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap();
    // Another kind of request is answered as it should be.
    stream.write_all(&request(Api::Metadata)).await.unwrap();
    let mut other = vec![0; honest().len()];
    stream.read_exact(&mut other).await.unwrap();
    assert_eq!(other, honest());
    assert_eq!(proxy.falsified(), 0);
    assert_eq!([Api::Metadata, Api::Fetch].map(|api| proxy.requests(api)), [1, 0]);

    stream.write_all(&request(Api::Fetch)).await.unwrap();
    if !closes {
        stream.write_all(&request(Api::Fetch)).await.unwrap();
    }
    let mut all = Vec::new();
    while !all.ends_with(&honest()) && stream.read_buf(&mut all).await.unwrap_or(0) > 0 {}
    assert_eq!(proxy.falsified(), 1);
    all
}

/// The bytes of a response before the honest one behind it.
async fn changed(falsehood: Falsehood) -> Vec<u8> {
    let mut all = response(falsehood).await;
    assert!(all.ends_with(&honest()), "{all:?}");
    all.truncate(all.len() - honest().len());
    all
}

#[tokio::test]
async fn responses_are_changed_as_planned_and_only_those() {
    assert_eq!(changed(Falsehood::Short(4)).await, b"\0\0\0\x0b\0\0\0\x07the con");
    assert_eq!(changed(Falsehood::Half).await, b"\0\0\0\x09\0\0\0\x07the c");
    assert_eq!(
        changed(Falsehood::Filled(0xff)).await,
        [&b"\0\0\0\x0f\0\0\0\x07"[..], &[0xff; 11]].concat()
    );
    assert_eq!(
        changed(Falsehood::OtherRequest).await[4..8],
        1_000_000_000_i32.to_be_bytes()
    );
    assert_eq!(changed(Falsehood::Silence).await, b"");
    let replaced = Falsehood::Replaced {
        from: b"content".to_vec(),
        to: b"CONTENT".to_vec(),
    };
    assert_eq!(changed(replaced).await, b"\0\0\0\x0f\0\0\0\x07the CONTENT");
}

#[tokio::test]
async fn connections_are_flooded_and_closed_as_planned() {
    assert!(
        response(Falsehood::Length(-1))
            .await
            .starts_with(b"\xff\xff\xff\xff\0\0\0\x07the ")
    );
    assert_eq!(response(Falsehood::CutOff).await, b"\0\0\0\x0f\0\0\0\x07the c");
    let flood = response(Falsehood::Flood(200_000)).await;
    assert_eq!(flood.len(), 4 + 200_000);
}
