//! Fields of messages, as [`crate::reader::Reader`] reads them.

use crate::identity::{Oid, Xid};
use crate::lsn::Lsn;
use crate::timestamp::PgTimestamp;
use crate::tuple::Column;
use crate::wire;

pub(super) fn columns<'a>(columns: impl ExactSizeIterator<Item = Column<'a>>, out: &mut Vec<u8>) {
    count(columns.len(), out);
    for column in columns {
        let (kind, value) = match column {
            Column::Null => (b'n', None),
            Column::UnchangedToast => (b'u', None),
            Column::Text(text) => (b't', Some(text)),
            Column::Binary(binary) => (b'b', Some(binary)),
        };
        out.push(kind);
        if let Some(value) = value {
            length(value.len(), out);
            out.extend_from_slice(value);
        }
    }
}

pub(super) fn namespace(namespace: &str, out: &mut Vec<u8>) {
    let shortened = if namespace == wire::CATALOG_NAMESPACE {
        ""
    } else {
        namespace
    };
    text(shortened, out);
}

pub(super) fn text(text: &str, out: &mut Vec<u8>) {
    assert!(
        !text.contains('\0'),
        "a zero byte would end the text {text:?} early"
    );
    out.extend_from_slice(text.as_bytes());
    out.push(0);
}

pub(super) fn count(count: usize, out: &mut Vec<u8>) {
    let count = i16::try_from(count).expect("no more columns than the wire can count");
    out.extend(count.to_be_bytes());
}

pub(super) fn length(length: usize, out: &mut Vec<u8>) {
    let length = i32::try_from(length).expect("no more bytes than the wire can count");
    out.extend(length.to_be_bytes());
}

pub(super) fn lsn(lsn: Lsn, out: &mut Vec<u8>) {
    out.extend(lsn.as_u64().to_be_bytes());
}

pub(super) fn time(time: PgTimestamp, out: &mut Vec<u8>) {
    out.extend(time.postgres_micros().to_be_bytes());
}

pub(super) fn oid(oid: Oid, out: &mut Vec<u8>) {
    out.extend(oid.as_u32().to_be_bytes());
}

pub(super) fn xid(xid: Xid, out: &mut Vec<u8>) {
    out.extend(xid.as_u32().to_be_bytes());
}
