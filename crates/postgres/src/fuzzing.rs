//! Properties that hold for any bytes of a server on a replication connection, checked by crates/fuzz and by tests.

mod other_parser;

use bytes::BytesMut;
use walcast_pgoutput::{DecodeError, Lsn};

use crate::backend::{Arrived, BackendMessage};
use crate::replication::{Reception, parse_timeline_history};

/// Parses `data` as a connection delivers it, in pieces whose size is its first byte (0: all at once).
///
/// # Panics
/// The result depends on the pieces, a complete message is awaited, an error lacks its position or expectation, or a message differs
/// from that of rust-postgres.
pub fn check_server_bytes(data: &[u8]) {
    let Some((piece, stream)) = data.split_first() else {
        return;
    };
    let whole = receive(stream, stream.len());
    if *piece > 0 {
        let pieces = receive(stream, usize::from(*piece));
        // When all bytes arrive at once, an invalid length is found before the complete messages in front of it are returned.
        let alike = match &whole.error {
            None => pieces.items == whole.items,
            Some(_) => pieces.items.starts_with(&whole.items),
        };
        assert!(
            alike && pieces.error.is_some() == whole.error.is_some(),
            "in pieces of {piece}: {pieces:?}; at once: {whole:?}"
        );
    }
    if let Some(error) = whole.error {
        assert!(!error.wanted.is_empty(), "{error}");
        assert!(error.offset <= stream.len(), "{error} in {} bytes", stream.len());
    }
}

/// Items parsed from a stream.
#[derive(Debug, Default)]
struct Received {
    /// Messages, and the payloads of frames.
    items: Vec<Item>,
    error: Option<DecodeError>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Frame(String),
    Message(BackendMessage),
}

fn receive(stream: &[u8], piece: usize) -> Received {
    let mut received = Received::default();
    let mut buffer = BytesMut::new();
    for arriving in stream.chunks(piece.max(1)) {
        buffer.extend_from_slice(arriving);
        if let Err(error) = take_all(&mut buffer, &mut received.items) {
            received.error = Some(error);
            break;
        }
    }
    received
}

/// Takes every complete item.
fn take_all(buffer: &mut BytesMut, items: &mut Vec<Item>) -> Result<(), DecodeError> {
    loop {
        let before = buffer.clone().freeze();
        let arrived = Arrived::take(buffer);
        if arrived.is_err() {
            other_parser::check_rejected(&before);
        }
        match arrived? {
            Arrived::NeedMore { total_bytes } => {
                assert!(total_bytes > buffer.len(), "{total_bytes} bytes are there");
                assert_eq!(before[..], buffer[..], "an incomplete message was taken");
                return Ok(());
            }
            Arrived::Frames(block) => {
                let reception = Reception::starting_at(Lsn::INVALID);
                reception.record(&block)?;
                for frame in block.frames() {
                    items.push(Item::Frame(format!("{:?}", frame?)));
                }
            }
            Arrived::Message(message) => {
                let bytes = before.slice(..before.len() - buffer.len());
                other_parser::check(&message, &bytes);
                use_message(&message);
                items.push(Item::Message(message));
            }
        }
    }
}

/// Uses a message as the connection does.
fn use_message(message: &BackendMessage) {
    let unexpected = message.unexpected_message("fuzzing").to_string();
    assert!(!unexpected.is_empty());
    match message {
        BackendMessage::Error(error) | BackendMessage::Notice(error) => {
            assert!(error.to_string().contains(&error.code), "{error:?}");
        }
        BackendMessage::DataRow(row) => row.iter().flatten().for_each(|text| check_timelines(text)),
        _ => {}
    }
}

/// A timeline history is an error, or has a switch for every line with content.
fn check_timelines(text: &str) {
    if let Ok(switches) = parse_timeline_history(text) {
        let lines = text.lines().map(str::trim);
        let with_content = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        assert_eq!(switches.len(), with_content.count(), "{text:?}");
    }
}
