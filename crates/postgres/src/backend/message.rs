//! Messages of the server outside the replication stream.
//!
//! See <https://www.postgresql.org/docs/current/protocol-message-formats.html>.

use walcast_pgoutput::DecodeError;
use walcast_pgoutput::reader::Reader;

use crate::error::{PostgresError, ServerError};

/// One message. Messages that no command of this crate causes are [`BackendMessage::Other`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BackendMessage {
    /// `R`
    Authentication(AuthenticationRequest),
    /// `S`
    ParameterStatus { name: String, value: String },
    /// `K`
    BackendKey,
    /// `Z`
    ReadyForQuery,
    /// `E`
    Error(ServerError),
    /// `N`
    Notice(ServerError),
    /// `T`; the columns of this crate's commands are known.
    RowDescription,
    /// `D`, columns as text.
    DataRow(Vec<Option<String>>),
    /// `C`
    CommandComplete,
    /// `W`: the stream begins.
    CopyBoth,
    /// `c`
    CopyDone,
    /// Any other message, by its tag.
    Other(u8),
}

/// Authentication request of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AuthenticationRequest {
    Ok,
    CleartextPassword,
    Md5Password { salt: [u8; 4] },
    Sasl { mechanisms: Vec<String> },
    SaslContinue(Vec<u8>),
    SaslFinal(Vec<u8>),
    Unsupported { method: &'static str },
}

impl BackendMessage {
    /// Parses a complete message, tag and length included.
    pub(crate) fn parse(tag: u8, message: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(message);
        reader.u8("a tag")?;
        reader.length32("a length")?;
        let parsed = match tag {
            b'R' => BackendMessage::Authentication(authentication(&mut reader)?),
            b'S' => BackendMessage::ParameterStatus {
                name: reader.text("a setting's name")?.to_owned(),
                value: reader.text("a setting's value")?.to_owned(),
            },
            b'K' => BackendMessage::BackendKey,
            b'Z' => BackendMessage::ReadyForQuery,
            b'E' => BackendMessage::Error(server_error(&mut reader)?),
            b'N' => BackendMessage::Notice(server_error(&mut reader)?),
            b'T' => BackendMessage::RowDescription,
            b'D' => BackendMessage::DataRow(data_row(&mut reader)?),
            b'C' => BackendMessage::CommandComplete,
            b'W' => BackendMessage::CopyBoth,
            b'c' => BackendMessage::CopyDone,
            other => BackendMessage::Other(other),
        };
        // A parsed message must end where its fields end: a longer message is not of this kind.
        if b"SEND".contains(&tag) {
            reader.end()?;
        }
        Ok(parsed)
    }

    /// Error for receiving this message where the protocol does not allow it.
    pub(crate) fn unexpected_message(&self, doing: &'static str) -> PostgresError {
        let tag = match self {
            BackendMessage::Authentication(_) => b'R',
            BackendMessage::ParameterStatus { .. } => b'S',
            BackendMessage::BackendKey => b'K',
            BackendMessage::ReadyForQuery => b'Z',
            BackendMessage::Error(_) => b'E',
            BackendMessage::Notice(_) => b'N',
            BackendMessage::RowDescription => b'T',
            BackendMessage::DataRow(_) => b'D',
            BackendMessage::CommandComplete => b'C',
            BackendMessage::CopyBoth => b'W',
            BackendMessage::CopyDone => b'c',
            BackendMessage::Other(tag) => *tag,
        };
        PostgresError::UnexpectedMessage { doing, tag }
    }
}

fn authentication(reader: &mut Reader<'_>) -> Result<AuthenticationRequest, DecodeError> {
    let request = match reader.u32("the kind of authentication")? {
        0 => AuthenticationRequest::Ok,
        3 => AuthenticationRequest::CleartextPassword,
        5 => AuthenticationRequest::Md5Password {
            salt: reader.u32("a salt")?.to_be_bytes(),
        },
        10 => {
            let mut mechanisms = Vec::new();
            loop {
                match reader.text("a SASL mechanism")? {
                    "" => break AuthenticationRequest::Sasl { mechanisms },
                    mechanism => mechanisms.push(mechanism.to_owned()),
                }
            }
        }
        // The rest of the message is SASL data.
        11 => return Ok(AuthenticationRequest::SaslContinue(reader.rest().to_owned())),
        12 => return Ok(AuthenticationRequest::SaslFinal(reader.rest().to_owned())),
        // The data of these requests is not read.
        7 | 8 => return Ok(AuthenticationRequest::Unsupported { method: "GSSAPI" }),
        9 => return Ok(AuthenticationRequest::Unsupported { method: "SSPI" }),
        _ => {
            return Ok(AuthenticationRequest::Unsupported {
                method: "an unknown kind of",
            });
        }
    };
    reader.end()?;
    Ok(request)
}

/// Parses an error. A letter identifies each field; an error before the encoding is negotiated may not be UTF-8.
fn server_error(reader: &mut Reader<'_>) -> Result<ServerError, DecodeError> {
    let mut error = ServerError::default();
    loop {
        let field = reader.u8("a field of an error")?;
        if field == 0 {
            return Ok(error);
        }
        let rest = reader.rest();
        let length = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
        let text =
            String::from_utf8_lossy(reader.bytes(length, "the text of an error's field")?).into_owned();
        reader.u8("the end of an error's field")?;
        match field {
            b'C' => error.code = text,
            b'M' => error.message = text,
            b'D' => error.detail = Some(text),
            b'H' => error.hint = Some(text),
            _ => {}
        }
    }
}

fn data_row(reader: &mut Reader<'_>) -> Result<Vec<Option<String>>, DecodeError> {
    let columns = reader.count16("the number of columns")?;
    let mut row = Vec::with_capacity(usize::from(columns));
    for _ in 0..columns {
        let mut peek = reader.clone();
        if peek.i32("a column's length")? == -1 {
            *reader = peek;
            row.push(None);
        } else {
            let length = reader.length32("a column's length")?;
            let value = reader.bytes(length, "a column's value")?;
            row.push(Some(String::from_utf8_lossy(value).into_owned()));
        }
    }
    Ok(row)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::BackendMessage;
    use crate::fuzzing::check_server_bytes;

    fn check(tag: u8, body: &[u8], expected: &Expect) {
        expected.assert_eq(&match BackendMessage::parse(tag, &message(tag, body)) {
            Ok(message) => format!("{message:?}"),
            Err(error) => format!("error: {error}"),
        });
    }

    fn message(tag: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[tag][..], &length, body].concat()
    }

    #[test]
    fn parses_authentication_requests() {
        check(b'R', b"\0\0\0\0", &expect!["Authentication(Ok)"]);
        check(
            b'R',
            b"\0\0\0\x05abcd",
            &expect!["Authentication(Md5Password { salt: [97, 98, 99, 100] })"],
        );
        check(
            b'R',
            b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0",
            &expect![[r#"Authentication(Sasl { mechanisms: ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"] })"#]],
        );
        check(
            b'R',
            b"\0\0\0\x0aSCRAM",
            &expect!["error: cannot decode message 'R': the message ends at byte 9, wanted a SASL mechanism"],
        );
        check(
            b'R',
            b"\0\0\0\x0br=1",
            &expect!["Authentication(SaslContinue([114, 61, 49]))"],
        );
        check(
            b'R',
            b"\0\0\0\x0cv=2",
            &expect!["Authentication(SaslFinal([118, 61, 50]))"],
        );
        check(
            b'R',
            b"\0\0\0\x07",
            &expect![[r#"Authentication(Unsupported { method: "GSSAPI" })"#]],
        );
    }

    #[test]
    fn parses_errors() {
        check(
            b'E',
            b"SFATAL\0C28P01\0Mwrong\xff\0Hask\0\0",
            &expect![[
                r#"Error(ServerError { code: "28P01", message: "wrong�", detail: None, hint: Some("ask") })"#
            ]],
        );
        check(
            b'E',
            b"SFATAL",
            &expect![
                "error: cannot decode message 'E': the message ends at byte 11, wanted the end of an error's field"
            ],
        );
    }

    #[test]
    fn rows_are_text_or_null() {
        check(
            b'D',
            b"\0\x02\0\0\0\x01a\xff\xff\xff\xff",
            &expect![[r#"DataRow([Some("a"), None])"#]],
        );
        check(
            b'D',
            b"\0\x01\xff\xff\xff\xfe",
            &expect![
                "error: cannot decode message 'D': negative length -2 at byte 7, wanted a column's length"
            ],
        );
        check(
            b'D',
            b"\0\x01\0\0\0\x05a",
            &expect![
                "error: cannot decode message 'D': the message ends at byte 11, wanted a column's value"
            ],
        );
    }

    #[test]
    fn other_messages_are_known_by_their_tag() {
        check(b'W', b"\0\0\0", &expect!["CopyBoth"]);
        check(b'Z', b"I", &expect!["ReadyForQuery"]);
        check(b'!', b"", &expect!["Other(33)"]);
    }

    /// One of each message with a body.
    const BODIES: [(u8, &[u8]); 6] = [
        (b'R', b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"),
        (b'R', b"\0\0\0\x05abcd"),
        (b'S', b"server_version\x0017.6\0"),
        (b'E', b"SFATAL\0C28P01\0Mwrong\0Hask\0\0"),
        (b'D', b"\0\x02\0\0\0\x01a\xff\xff\xff\xff"),
        (b'N', b"SNOTICE\0C00000\0\0"),
    ];

    proptest! {
        #[test]
        fn no_change_to_a_message_makes_it_panic(
            chosen in proptest::sample::select(BODIES.to_vec()),
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
            cut in any::<proptest::sample::Index>(),
            piece in any::<u8>(),
        ) {
            let (tag, body) = chosen;
            let mut body = body.to_vec();
            for (index, byte) in changes {
                let index = index.index(body.len());
                body[index] = byte;
            }
            body.truncate(cut.index(body.len() + 1));
            check_server_bytes(&[&[piece], message(tag, &body).as_slice()].concat());
        }

        #[test]
        fn no_bytes_make_it_panic(tag in any::<u8>(), body in proptest::collection::vec(any::<u8>(), 0..64)) {
            check_server_bytes(&[&[0], message(tag, &body).as_slice()].concat());
        }
    }

    #[test]
    fn rejects_trailing_bytes() {
        check(
            b'S',
            b"server_version\x0017.6\0more",
            &expect![
                "error: cannot decode message 'S': 4 bytes are left over at byte 25, wanted the end of the message"
            ],
        );
        check(
            b'R',
            b"\0\0\0\0!",
            &expect![
                "error: cannot decode message 'R': 1 bytes are left over at byte 9, wanted the end of the message"
            ],
        );
        check(b'Z', b"I!", &expect!["ReadyForQuery"]);
    }
}
