//! One connection through the proxy: requests as they are, responses as planned.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::Plan;
use super::falsehood::{Sent, unchanged};

/// More than any honest request or response of a test, in bytes.
const FRAME_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes of a flood that are sent at once.
static PIECE: [u8; 64 * 1024] = [b'x'; 64 * 1024];

/// Keys of the APIs that responses are awaited for, by correlation id.
type Asked = Mutex<HashMap<[u8; 4], i16>>;

/// Forwards until either end closes the connection, or it is closed as planned.
pub(super) async fn forward(client: TcpStream, target_port: u16, plan: &Plan) -> io::Result<()> {
    let broker = TcpStream::connect(("127.0.0.1", target_port)).await?;
    client.set_nodelay(true)?;
    broker.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_broker, to_broker) = broker.into_split();
    let asked = Asked::default();
    tokio::select! {
        ended = requests(from_client, to_broker, &asked, plan) => ended,
        ended = responses(from_broker, to_client, &asked, plan) => ended,
    }
}

async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    asked: &Asked,
    plan: &Plan,
) -> io::Result<()> {
    loop {
        let request = frame(&mut from).await?;
        // The key of the API, its version, the correlation id.
        if let [key_high, key_low, _, _, a, b, c, d, ..] = *request {
            let api = i16::from_be_bytes([key_high, key_low]);
            plan.count(api);
            let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
            asked.insert([a, b, c, d], api);
        }
        to.write_all(&unchanged(&request).bytes).await?;
    }
}

async fn responses(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    asked: &Asked,
    plan: &Plan,
) -> io::Result<()> {
    loop {
        let response = frame(&mut from).await?;
        let api = response.first_chunk::<4>().and_then(|id| {
            let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
            asked.remove(id)
        });
        let falsehood = api.and_then(|api| plan.next(api, &response));
        let Sent { bytes, flood, closes } = match falsehood {
            Some(falsehood) => falsehood.of(response),
            None => unchanged(&response),
        };
        to.write_all(&bytes).await?;
        let mut left = flood;
        while left > 0 {
            let now = PIECE.get(..left).unwrap_or(&PIECE);
            to.write_all(now).await?;
            left -= now.len();
        }
        if closes {
            return to.shutdown().await;
        }
    }
}

/// The next request or response, without its length.
async fn frame(from: &mut OwnedReadHalf) -> io::Result<Vec<u8>> {
    let length = usize::try_from(from.read_i32().await?).unwrap_or(usize::MAX);
    if length > FRAME_BYTES_MAX {
        return Err(io::Error::other("a frame is longer than any of a test"));
    }
    let mut frame = vec![0; length];
    from.read_exact(&mut frame).await?;
    Ok(frame)
}
