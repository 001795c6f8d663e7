//! What holds for all messages and all ways of cutting the stream. What holds for all bytes is asked by crates/fuzz.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue fails")]

mod generated;

use generated::{Generated, a_message};
use proptest::collection::vec;
use proptest::prelude::*;
use walcast_pgoutput::error::Fault;
use walcast_pgoutput::frame::{Next, whole_messages};
use walcast_pgoutput::{Decoder, Frame, FrameBlock, Lsn, PgTimestamp, encode};

proptest! {
    #[test]
    fn decoding_inverts_encoding(messages in vec(a_message(), 1..8)) {
        let mut decoder = Decoder::new();
        for generated in &messages {
            decode_in_place(&mut decoder, generated);
        }
    }

    #[test]
    fn a_message_cut_short_says_where_and_what(generated in a_message()) {
        let encoded = generated.encoded();
        // An abort without its last two fields is a message too.
        let shorter = generated.encoded_without_last_fields();
        for end in (0..encoded.len()).filter(|end| Some(*end) != shorter) {
            let cut = &encoded[..end];
            let mut decoder = generated.decoder();
            let before = decoder.clone();
            let error = decoder.decode(cut).expect_err("a message cut short was decoded");
            prop_assert_eq!(error.tag, cut.first().copied());
            prop_assert_eq!(error.fault, Fault::Truncated);
            prop_assert!(error.offset <= end, "offset {} of {end}", error.offset);
            prop_assert!(!error.wanted.is_empty());
            prop_assert_eq!(decoder, before);
        }
    }

    #[test]
    fn trailing_bytes_are_rejected(generated in a_message(), more in vec(any::<u8>(), 1..4)) {
        let mut encoded = generated.encoded();
        encoded.extend(&more);
        prop_assert!(generated.decoder().decode(&encoded).is_err());
    }

    #[test]
    fn any_split_of_the_stream_gives_the_same_messages(
        messages in vec(a_message(), 0..12),
        pieces in vec(1_usize..64, 1..16),
        ending in proptest::option::of(Just(b"c\0\0\0\x04".as_slice())),
    ) {
        let sent: Vec<Vec<u8>> = messages.iter().map(Generated::encoded).collect();
        let mut stream = Vec::new();
        for message in &sent {
            let (wal_start, sent_at) = (Lsn::new(7), PgTimestamp::from_postgres_micros(9));
            encode::copy_data(&Frame::XLogData { wal_start, wal_end: wal_start, sent_at, message }, &mut stream);
        }
        stream.extend_from_slice(ending.unwrap_or_default());
        let (received, other) = receive(&stream, &pieces);
        prop_assert_eq!(received, sent);
        prop_assert_eq!(other, ending.map(<[u8]>::to_vec));
    }

    #[test]
    fn positions_survive_printing(bytes in any::<u64>()) {
        let lsn = Lsn::new(bytes);
        prop_assert_eq!(lsn.to_string().parse::<Lsn>().unwrap(), lsn);
    }
}

/// Decodes a generated message, inside a block when it has to stand in one.
fn decode_in_place(decoder: &mut Decoder, generated: &Generated) {
    let message = generated.message();
    let encoded = generated.encoded();
    if generated.stands_in_a_block() {
        decoder.decode(b"S\0\0\0\x01\x01").unwrap();
    }
    assert_eq!(decoder.decode(&encoded).as_ref(), Ok(&message));
    if generated.stands_in_a_block() && !generated.ends_the_block() || generated.begins_a_block() {
        decoder.decode(b"E").unwrap();
    }
}

/// Reads `stream` as a socket delivers it, in pieces: the messages, and the message that is not `CopyData`.
fn receive(stream: &[u8], pieces: &[usize]) -> (Vec<Vec<u8>>, Option<Vec<u8>>) {
    let mut received = Vec::new();
    let mut buffer = Vec::new();
    let mut rest = stream;
    for piece in pieces.iter().cycle() {
        let (arrived, after) = rest.split_at(rest.len().min(*piece));
        buffer.extend_from_slice(arrived);
        rest = after;

        let whole = whole_messages(&buffer).unwrap();
        let kept = buffer.split_off(whole.copy_data_bytes);
        let block = FrameBlock::new(std::mem::replace(&mut buffer, kept).into());
        for frame in block.frames() {
            let Frame::XLogData { message, .. } = frame.unwrap() else {
                panic!("no keepalive was sent")
            };
            received.push(message.to_vec());
        }
        match whole.next {
            Next::Other { message_bytes, .. } => return (received, Some(buffer[..message_bytes].to_vec())),
            Next::NeedMore { total_bytes } => assert!(total_bytes > buffer.len(), "asks for what it has"),
        }
        if rest.is_empty() {
            break;
        }
    }
    assert!(buffer.is_empty(), "bytes are left of a stream of whole messages");
    (received, None)
}
