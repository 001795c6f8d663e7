//! The decoder of pgoutput.

use bytes::Bytes;
use walcast_pgoutput::frame::{Next, whole_messages};
use walcast_pgoutput::{DecodeError, Decoder, FrameBlock, Message, encode};

/// The namespace that a message of the server leaves out.
const CATALOG_NAMESPACE: &str = "pg_catalog";

/// Decodes `data`, once as messages, each behind two bytes with its length, and once as the stream of a socket.
///
/// # Panics
/// Bytes that decode do not encode to the same bytes, an error changed the decoder, or the two ways of cutting the
/// stream into messages differ.
pub fn check(data: &[u8]) {
    check_messages(data);
    check_stream(data);
}

fn check_messages(data: &[u8]) {
    let mut decoder = Decoder::new();
    let mut rest = data;
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(after.len());
        let (message, after) = after.split_at(length);
        check_message(&mut decoder, message);
        rest = after;
    }
}

fn check_message(decoder: &mut Decoder, bytes: &[u8]) {
    let mut twin = decoder.clone();
    let Ok(message) = decoder.decode(bytes) else {
        assert_eq!(*decoder, twin, "an error left its mark on the decoder");
        return;
    };
    let mut encoded = Vec::new();
    encode::message(&message, &mut encoded);
    assert_eq!(
        twin.decode(&encoded).as_ref(),
        Ok(&message),
        "encoded to another message"
    );
    assert_eq!(*decoder, twin, "the same message left another state");
    let namespace = match &message {
        Message::Relation(relation) => &relation.namespace,
        Message::Type(type_message) => &type_message.namespace,
        _ => "",
    };
    // The catalog's name may be written out, and is then encoded in its short form.
    assert!(
        encoded == bytes || namespace == CATALOG_NAMESPACE,
        "{message:?} encoded to {encoded:?}"
    );
}

fn check_stream(data: &[u8]) {
    let Ok(whole) = whole_messages(data) else { return };
    let (block, rest) = data.split_at(whole.copy_data_bytes);
    match whole.next {
        Next::NeedMore { total_bytes } => assert!(total_bytes > rest.len(), "asks for what it has"),
        Next::Other { tag, message_bytes } => {
            assert_eq!(Some(&tag), rest.first(), "another message's tag");
            assert!(message_bytes <= rest.len(), "reports an incomplete message");
        }
    }
    let mut left = block.len();
    for frame in FrameBlock::new(Bytes::copy_from_slice(block)).frames() {
        let Ok(frame) = frame else { return };
        let mut encoded = Vec::new();
        encode::copy_data(&frame, &mut encoded);
        left = left
            .checked_sub(encoded.len())
            .expect("frames are no larger than their block");
        let again: Vec<Result<_, DecodeError>> = FrameBlock::new(encoded.into())
            .frames()
            .map(|frame| frame.map(|_| ()))
            .collect();
        assert_eq!(again, [Ok(())], "encoded to another number of frames");
    }
    assert_eq!(left, 0, "bytes of the block are in no frame");
}
