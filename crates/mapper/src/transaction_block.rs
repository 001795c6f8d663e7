//! The envelope's block `transaction`: the place of an event in its transaction.

use walcast_pgoutput::{Lsn, Xid};

use crate::encode::Scratch;
use crate::event_counts::EventOrder;
use crate::format::{Format, Nullability};
use crate::source::put_decimal;

/// Appends the value of the field `transaction`: null without transaction metadata.
pub(crate) fn put_transaction_block<F: Format>(
    event: Option<(Xid, Lsn, EventOrder)>,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) {
    let Some((xid, lsn, order)) = event else {
        F::absent(Nullability::NullFirst, out);
        return;
    };
    F::present(Nullability::NullFirst, out);
    F::begin_record(out);
    F::field("id", out);
    scratch.text.clear();
    put_id(xid, lsn, &mut scratch.text);
    F::string(&scratch.text, out);
    F::field("total_order", out);
    F::integer(signed(order.total), out);
    F::field("data_collection_order", out);
    F::integer(signed(order.in_collection), out);
    F::end_record(out);
}

/// Appends the id `<xid>:<lsn>`, both in decimal. The LSN is that of the event with the id, so that the events of one
/// transaction share only the first half, as in Debezium.
pub(crate) fn put_id(xid: Xid, lsn: Lsn, out: &mut Vec<u8>) {
    put_decimal(u64::from(xid.as_u32()), out);
    out.push(b':');
    put_decimal(lsn.as_u64(), out);
}

/// A count as a signed number: counts stay far below 2^63.
pub(crate) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
