//! Counted cost of the hot path: allocations and bytes copied per row, from the frame of the server to the records in
//! the buffer.
//!
//! The counts depend on neither the machine nor its load. A count above [`LIMITS`] fails the test, and so does a count
//! below: the committed figures stay exact, so that a later change cannot use up an improvement unnoticed.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use allocation_counter::AllocationInfo;
use bytes::Bytes;
use walcast_mapper::config::Encoding;
use walcast_mapper::{ChangeContext, Plan, RecordBuffer, RowChange, TransactionContext};
use walcast_pgoutput::reader::Reader;
use walcast_pgoutput::{
    Column, Decoder, Frame, FrameBlock, Insert, Lsn, Message, OldTuple, PgTimestamp, Tuple, Update, encode,
};

#[path = "shared/orders.rs"]
mod orders;

/// Rows of one measurement: inserts and updates in turn, half of the updates with an old key that did not move.
const ROWS: u64 = 1_000;
/// Far above the size of the records of one measurement: the buffer keeps its memory when it is cleared.
const KEEP_BYTES_MAX: usize = 1 << 24;

/// Cost of [`ROWS`] rows.
#[derive(Debug, PartialEq, Eq)]
struct Cost {
    /// Allocations with a buffer that has been used before, as in a running stream.
    allocations: u64,
    /// Bytes of these allocations.
    allocated_bytes: u64,
    /// Bytes written to the buffer: keys, values and headers, each byte copied once. The crate's version is among them.
    written_bytes: u64,
}

/// Committed figures, by encoding. To update them after an intended change, replace the figures of the encoding by those
/// that the failed test prints, and give the reason in the commit message.
const LIMITS: [(Encoding, Cost); 2] = [
    (
        Encoding::Avro,
        Cost {
            allocations: 0,
            allocated_bytes: 0,
            written_bytes: 260_390,
        },
    ),
    (
        Encoding::Json,
        Cost {
            // Base64 of the decimal.
            allocations: 2_000,
            allocated_bytes: 7_000,
            written_bytes: 622_390,
        },
    ),
];

#[test]
fn allocations_and_bytes_copied_per_row_do_not_grow() {
    for (encoding, limit) in LIMITS {
        let cost = measure(encoding, None);
        assert_eq!(
            cost, limit,
            "the cost of {ROWS} rows in {encoding:?} (left) is not the committed figure (right): avoid the copies and \
             allocations that were added, or, if the change is intended, write the left figures to LIMITS in \
             crates/mapper/tests/hot_path.rs and give the reason in the commit message"
        );
    }
}

/// The context of a transaction is copied into each record, and nothing else.
#[test]
fn a_context_costs_its_bytes() {
    let json = br#"{"user":"anna","reason":"refund"}"#;
    let context = TransactionContext::read(json, json.len());
    let header_bytes = u64::try_from(json.len()).unwrap();
    for (encoding, limit) in LIMITS {
        let cost = measure(encoding, Some(&context));
        assert_eq!(
            cost,
            Cost {
                written_bytes: limit.written_bytes + ROWS * header_bytes,
                ..limit
            }
        );
    }
}

fn measure(encoding: Encoding, context: Option<&TransactionContext>) -> Cost {
    let stream = stream();
    let mut plan = orders::plan(encoding).unwrap();
    let mut buffer = RecordBuffer::new();
    // The first run allocates the memory of the buffer and of the plan.
    run(&stream, &mut plan, context, &mut buffer);
    buffer.clear(KEEP_BYTES_MAX);
    let AllocationInfo {
        count_total,
        bytes_total,
        ..
    } = allocation_counter::measure(|| run(&stream, &mut plan, context, &mut buffer));
    Cost {
        allocations: count_total,
        allocated_bytes: bytes_total,
        written_bytes: u64::try_from(buffer.len_bytes()).unwrap(),
    }
}

/// Decodes every frame and encodes its change.
fn run(
    stream: &FrameBlock,
    plan: &mut Plan,
    transaction_context: Option<&TransactionContext>,
    buffer: &mut RecordBuffer,
) {
    let mut decoder = Decoder::new();
    let mut context = ChangeContext {
        transaction_context,
        ..orders::context()
    };
    for frame in stream.frames() {
        let Frame::XLogData {
            wal_start, message, ..
        } = frame.unwrap()
        else {
            panic!("the stream has changes only")
        };
        let change = match decoder.decode(message).unwrap() {
            Message::Insert(insert) => RowChange::Insert { new: insert.new },
            Message::Update(update) => RowChange::Update {
                old: update.old,
                new: update.new,
            },
            other => panic!("the stream has no {other:?}"),
        };
        context.lsn = wal_start;
        plan.encode(&change, &context, None, buffer).unwrap();
        context.ordinal = context.ordinal.next();
    }
}

fn stream() -> FrameBlock {
    let row = orders::row();
    let key = encode::tuple(&[
        Column::Text(b"1234567"),
        Column::Null,
        Column::Null,
        Column::Null,
        Column::Null,
        Column::Null,
    ]);
    let [new, key] = [&row, &key].map(|bytes| Tuple::read(&mut Reader::new(bytes)).unwrap());
    let mut bytes = Vec::new();
    for number in 0..ROWS {
        let (xid, relation) = (None, orders::TABLE);
        let message = match number % 4 {
            1 => Message::Update(Update {
                xid,
                relation,
                old: None,
                new,
            }),
            3 => Message::Update(Update {
                xid,
                relation,
                old: Some(OldTuple::Key(key)),
                new,
            }),
            _ => Message::Insert(Insert { xid, relation, new }),
        };
        let mut payload = Vec::new();
        encode::message(&message, &mut payload);
        let frame = Frame::XLogData {
            wal_start: Lsn::new(0x16B_0000 + number),
            wal_end: Lsn::new(0x16B_0000 + number),
            sent_at: PgTimestamp::from_unix_micros(1_700_000_000_200_000),
            message: &payload,
        };
        encode::copy_data(&frame, &mut bytes);
    }
    FrameBlock::new(Bytes::from(bytes))
}
