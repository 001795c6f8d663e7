//! The same message as parsed by rust-postgres, which is used on SQL connections.

use bytes::BytesMut;
use postgres_protocol::message::backend::{self, ErrorFields, Message};
use tokio_postgres::fallible_iterator::FallibleIterator;

use crate::backend::{AuthenticationRequest, BackendMessage};
use crate::error::ServerError;

/// Compares a message with the result of rust-postgres for the same `bytes`.
pub(super) fn check(ours: &BackendMessage, bytes: &[u8]) {
    // rust-postgres does not know some messages, and parses more of others.
    let Ok(theirs) = Message::parse(&mut BytesMut::from(bytes)) else {
        let is_read = matches!(
            ours,
            BackendMessage::ParameterStatus { .. }
                | BackendMessage::Error(_)
                | BackendMessage::Notice(_)
                | BackendMessage::DataRow(_)
        );
        assert!(!is_read, "only this crate parses {ours:?}");
        return;
    };
    let theirs = theirs.expect("the message is whole");
    match (ours, theirs) {
        (BackendMessage::Authentication(ours), theirs) => check_authentication(ours, theirs),
        (BackendMessage::ParameterStatus { name, value }, Message::ParameterStatus(theirs)) => {
            assert_eq!(theirs.name().ok(), Some(name.as_str()));
            assert_eq!(theirs.value().ok(), Some(value.as_str()));
        }
        (BackendMessage::Error(ours), Message::ErrorResponse(theirs)) => {
            assert_eq!(server_error(theirs.fields()).as_ref(), Some(ours));
        }
        (BackendMessage::Notice(ours), Message::NoticeResponse(theirs)) => {
            assert_eq!(server_error(theirs.fields()).as_ref(), Some(ours));
        }
        (BackendMessage::DataRow(ours), Message::DataRow(theirs)) => {
            assert_eq!(data_row(&theirs).as_ref(), Some(ours));
        }
        (BackendMessage::BackendKey, Message::BackendKeyData(_))
        | (BackendMessage::ReadyForQuery, Message::ReadyForQuery(_))
        | (BackendMessage::RowDescription, Message::RowDescription(_))
        | (BackendMessage::CommandComplete, Message::CommandComplete(_))
        | (BackendMessage::CopyDone, Message::CopyDone)
        | (BackendMessage::Other(_), _) => {}
        (ours, _) => panic!("only this crate parses {ours:?}"),
    }
}

/// Bytes that this crate rejects are no SCRAM message for rust-postgres.
pub(super) fn check_rejected(bytes: &[u8]) {
    let theirs = Message::parse(&mut BytesMut::from(bytes));
    let is_scram = matches!(
        theirs,
        Ok(Some(
            Message::AuthenticationSaslContinue(_) | Message::AuthenticationSaslFinal(_)
        ))
    );
    assert!(!is_scram, "a SCRAM message is rejected");
}

fn check_authentication(ours: &AuthenticationRequest, theirs: Message) {
    match (ours, theirs) {
        (AuthenticationRequest::Ok, Message::AuthenticationOk)
        | (AuthenticationRequest::CleartextPassword, Message::AuthenticationCleartextPassword)
        | (
            AuthenticationRequest::Unsupported { .. },
            Message::AuthenticationKerberosV5
            | Message::AuthenticationScmCredential
            | Message::AuthenticationGss
            | Message::AuthenticationGssContinue(_)
            | Message::AuthenticationSspi,
        ) => {}
        (AuthenticationRequest::Md5Password { salt }, Message::AuthenticationMd5Password(theirs)) => {
            assert_eq!(*salt, theirs.salt());
        }
        (AuthenticationRequest::Sasl { mechanisms }, Message::AuthenticationSasl(theirs)) => {
            let theirs: Option<Vec<String>> =
                theirs.mechanisms().map(|name| Ok(name.to_owned())).collect().ok();
            assert_eq!(theirs.as_ref(), Some(mechanisms));
        }
        (AuthenticationRequest::SaslContinue(ours), Message::AuthenticationSaslContinue(theirs)) => {
            assert_eq!(ours, theirs.data());
        }
        (AuthenticationRequest::SaslFinal(ours), Message::AuthenticationSaslFinal(theirs)) => {
            assert_eq!(ours, theirs.data());
        }
        (ours, _) => panic!("only this crate parses {ours:?}"),
    }
}

fn server_error(mut fields: ErrorFields<'_>) -> Option<ServerError> {
    let mut error = ServerError::default();
    while let Some(field) = fields.next().ok()? {
        let text = String::from_utf8_lossy(field.value_bytes()).into_owned();
        match field.type_() {
            b'C' => error.code = text,
            b'M' => error.message = text,
            b'D' => error.detail = Some(text),
            b'H' => error.hint = Some(text),
            _ => {}
        }
    }
    Some(error)
}

fn data_row(row: &backend::DataRowBody) -> Option<Vec<Option<String>>> {
    let text = |range: std::ops::Range<usize>| {
        let value = row.buffer().get(range).expect("it was cut out of the row");
        String::from_utf8_lossy(value).into_owned()
    };
    row.ranges().map(|range| Ok(range.map(text))).collect().ok()
}
