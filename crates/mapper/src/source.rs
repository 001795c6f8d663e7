//! The envelope's `source` block: where a change comes from.

use walcast_pgoutput::Lsn;

use crate::avro::{self, FIRST_BRANCH, SECOND_BRANCH};
use crate::{ChangeContext, MapperConfig, TableName};

/// The parts of the block that are the same for every row of a table, already encoded.
#[derive(Debug)]
pub(crate) struct Source {
    /// `version`, `connector`, `name`.
    connector: Vec<u8>,
    /// `snapshot`, `db`.
    database: Vec<u8>,
    /// `schema`, `table`.
    table: Vec<u8>,
}

/// What Debezium's connector for Postgres calls itself.
pub(crate) const CONNECTOR: &str = "postgresql";
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Of a change read from the log.
const NO_SNAPSHOT: &str = "false";

const MICROS_A_MILLI: i64 = 1_000;
const NANOS_A_MICRO: i64 = 1_000;

impl Source {
    pub(crate) fn new(table: &TableName, config: &MapperConfig) -> Self {
        let strings = |texts: &[&str]| {
            let mut out = Vec::new();
            for text in texts {
                avro::put_bytes(text.as_bytes(), &mut out);
            }
            out
        };
        let database = [vec![FIRST_BRANCH], strings(&[NO_SNAPSHOT, &config.database])].concat();
        Self {
            connector: strings(&[VERSION, CONNECTOR, &config.topic_prefix]),
            database,
            table: strings(&[&table.namespace, &table.name]),
        }
    }

    /// Appends the block of one change.
    pub(crate) fn put(&self, context: &ChangeContext, out: &mut Vec<u8>) {
        let micros = context.commit_time.unix_micros();
        out.extend_from_slice(&self.connector);
        avro::put_long(micros.div_euclid(MICROS_A_MILLI), out);
        out.extend_from_slice(&self.database);
        out.push(SECOND_BRANCH);
        put_sequence(context.previous_commit_end, context.lsn, out);
        put_optional_long(micros, out);
        put_optional_long(micros.saturating_mul(NANOS_A_MICRO), out);
        out.extend_from_slice(&self.table);
        put_optional_long(i64::from(context.xid.as_u32()), out);
        put_optional_long(context.lsn.as_u64().cast_signed(), out);
        // `xmin`: Debezium fills it only when told to ask for it.
        out.push(FIRST_BRANCH);
    }
}

/// A value in a field that can be null.
pub(crate) fn put_optional_long(value: i64, out: &mut Vec<u8>) {
    out.push(SECOND_BRANCH);
    avro::put_long(value, out);
}

/// The text `["<where the last transaction ended>","<where the change lies>"]`, both in decimal.
fn put_sequence(previous_commit_end: Option<Lsn>, lsn: Lsn, out: &mut Vec<u8>) {
    let length_at = out.len();
    out.push(0);
    match previous_commit_end {
        None => out.extend_from_slice(b"[null"),
        Some(end) => {
            out.extend_from_slice(b"[\"");
            put_decimal(end.as_u64(), out);
            out.push(b'"');
        }
    }
    out.extend_from_slice(b",\"");
    put_decimal(lsn.as_u64(), out);
    out.extend_from_slice(b"\"]");
    let length = out.len() - length_at - 1;
    // Two numbers of twenty digits and nine signs are less than the 64 from which on a length takes two bytes.
    if let Some(byte) = out.get_mut(length_at) {
        *byte = u8::try_from(length * 2).expect("the length takes one byte");
    }
}

/// The decimal digits of a number.
pub(crate) fn put_decimal(number: u64, out: &mut Vec<u8>) {
    let mut digits = [0u8; U64_DIGITS_MAX];
    let mut left = number;
    let mut used = 0;
    for slot in digits.iter_mut().rev() {
        *slot = b'0' + u8::try_from(left % 10).expect("one digit");
        left /= 10;
        used += 1;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(U64_DIGITS_MAX - used..).unwrap_or_default());
}

/// `u64::MAX` has twenty digits.
const U64_DIGITS_MAX: usize = 20;
