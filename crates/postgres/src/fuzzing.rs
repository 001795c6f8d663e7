//! What must hold for any bytes that a server sends on a replication connection: asked by crates/fuzz and by the tests here.

mod other_parser;

use bytes::BytesMut;
use walcast_pgoutput::{DecodeError, Lsn};

use crate::backend::{Arrived, BackendMessage};
use crate::replication::{Reception, parse_timeline_history};

/// Reads `data` as a connection delivers it, in pieces of as many bytes as its first byte tells (0: all at once).
///
/// # Panics
/// The pieces matter, a message is waited for although it is there, an error does not say where and what, or a message is
/// not what rust-postgres reads.
pub fn check_server_bytes(data: &[u8]) {
    let Some((piece, stream)) = data.split_first() else {
        return;
    };
    let whole = receive(stream, stream.len());
    if *piece > 0 {
        let pieces = receive(stream, usize::from(*piece));
        // A bad length is seen before what stands whole before it, when both come at once.
        let alike = match &whole.error {
            None => pieces.told == whole.told,
            Some(_) => pieces.told.starts_with(&whole.told),
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

/// What was read of a stream.
#[derive(Debug, Default)]
struct Received {
    /// Messages, and the payloads of frames.
    told: Vec<Told>,
    error: Option<DecodeError>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Frame(String),
    Message(BackendMessage),
}

fn receive(stream: &[u8], piece: usize) -> Received {
    let mut received = Received::default();
    let mut buffer = BytesMut::new();
    for arriving in stream.chunks(piece.max(1)) {
        buffer.extend_from_slice(arriving);
        if let Err(error) = take_all(&mut buffer, &mut received.told) {
            received.error = Some(error);
            break;
        }
    }
    received
}

/// Takes what is whole.
fn take_all(buffer: &mut BytesMut, told: &mut Vec<Told>) -> Result<(), DecodeError> {
    loop {
        let before = buffer.clone().freeze();
        let arrived = Arrived::take(buffer);
        if arrived.is_err() {
            other_parser::check_refused(&before);
        }
        match arrived? {
            Arrived::NeedMore { total_bytes } => {
                assert!(total_bytes > buffer.len(), "{total_bytes} bytes are there");
                assert_eq!(before[..], buffer[..], "what is not whole was taken");
                return Ok(());
            }
            Arrived::Frames(block) => {
                let reception = Reception::starting_at(Lsn::INVALID);
                reception.take_note(&block)?;
                for frame in block.frames() {
                    told.push(Told::Frame(format!("{:?}", frame?)));
                }
            }
            Arrived::Message(message) => {
                let bytes = before.slice(..before.len() - buffer.len());
                other_parser::check(&message, &bytes);
                use_message(&message);
                told.push(Told::Message(message));
            }
        }
    }
}

/// Does with a message what the connection does with it.
fn use_message(message: &BackendMessage) {
    let refused = message.out_of_place("fuzzing").to_string();
    assert!(!refused.is_empty());
    match message {
        BackendMessage::Error(error) | BackendMessage::Notice(error) => {
            assert!(error.to_string().contains(&error.code), "{error:?}");
        }
        BackendMessage::DataRow(row) => row.iter().flatten().for_each(|text| check_timelines(text)),
        _ => {}
    }
}

/// A history is an error, or a switch for every line that says something.
fn check_timelines(text: &str) {
    if let Ok(switches) = parse_timeline_history(text) {
        let lines = text.lines().map(str::trim);
        let said = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        assert_eq!(switches.len(), said.count(), "{text:?}");
    }
}
