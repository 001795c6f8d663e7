//! The envelope's `source` block: the origin of an event.

use walcast_pgoutput::{Lsn, PgTimestamp, Xid};

use crate::change::ReplicationOrigin;
use crate::config::MapperConfig;
use crate::debezium_version::DebeziumVersion;
use crate::encode::Scratch;
use crate::format::{Format, HeaderText, Nullability};
use crate::snapshot_marker::SnapshotMarker;
use crate::source_field::SourceField;
use crate::table_name::TableName;

/// The `source` block of one table. The parts that are the same for every row are already encoded.
#[derive(Debug)]
pub(crate) struct Source {
    topic_prefix: String,
    database: String,
    table: TableName,
    /// Encoded fields before the value of `ts_ms`.
    until_commit_time: Vec<u8>,
    /// Encoded fields between the values of `ts_ms` and `sequence`, by snapshot marker.
    until_sequence: [Vec<u8>; SnapshotMarker::ALL.len()],
    /// Encoded fields `schema` and `table`.
    table_fields: Vec<u8>,
    version: DebeziumVersion,
}

/// Value of one field of the block.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SourceValue<'s> {
    Text(&'s str),
    Number(i64),
    /// End of the previous transaction, and position of the change.
    Sequence(Option<Lsn>, Lsn),
    Nothing,
}

/// Origin of one event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'o> {
    /// Transaction of the event; `None` for rows that were read and for non-transactional messages.
    pub(crate) xid: Option<Xid>,
    pub(crate) commit_time: PgTimestamp,
    pub(crate) lsn: Lsn,
    pub(crate) previous_commit_end: Option<Lsn>,
    pub(crate) snapshot: SnapshotMarker,
    /// Replication origin of the transaction; `None` for a transaction of this server, and for rows that were read.
    pub(crate) replication: Option<&'o ReplicationOrigin>,
}

impl Origin<'_> {
    /// Origin of a row in a snapshot at `lsn`, taken at `fixed_at`.
    pub(crate) fn of_snapshot(lsn: Lsn, fixed_at: PgTimestamp, marker: SnapshotMarker) -> Self {
        Self {
            xid: None,
            commit_time: fixed_at,
            lsn,
            previous_commit_end: None,
            snapshot: marker,
            replication: None,
        }
    }
}

/// Debezium's name of its connector for Postgres.
pub(crate) const CONNECTOR: &str = "postgresql";
const VERSION: &str = env!("CARGO_PKG_VERSION");

const MICROS_A_MILLI: i64 = 1_000;
const NANOS_A_MICRO: i64 = 1_000;

impl Source {
    pub(crate) fn new<F: Format>(table: &TableName, config: &MapperConfig) -> Self {
        let mut out = Vec::new();
        F::begin_record(&mut out);
        put_text::<F>("version", VERSION, &mut out);
        put_text::<F>("connector", CONNECTOR, &mut out);
        put_text::<F>("name", &config.topic_prefix, &mut out);
        F::field("ts_ms", &mut out);
        let until_commit_time = out.clone();

        // A number as a placeholder: the bytes of the next field depend on a value before it.
        F::integer(0, &mut out);
        let start = out.len();
        let until_sequence = SnapshotMarker::ALL.map(|marker| {
            out.truncate(start);
            F::field("snapshot", &mut out);
            F::present(Nullability::NullLast, &mut out);
            F::string(marker.as_str().as_bytes(), &mut out);
            put_text::<F>("db", &config.database, &mut out);
            F::field("sequence", &mut out);
            F::present(Nullability::NullFirst, &mut out);
            out.get(start..).unwrap_or_default().to_vec()
        });

        let start = out.len();
        put_text::<F>("schema", &table.namespace, &mut out);
        put_text::<F>("table", &table.name, &mut out);
        Self {
            topic_prefix: config.topic_prefix.clone(),
            database: config.database.clone(),
            table: table.clone(),
            until_commit_time,
            until_sequence,
            table_fields: out.split_off(start),
            version: config.debezium_version,
        }
    }

    /// Fields of the block, in its order.
    pub(crate) fn fields(&self) -> impl Iterator<Item = SourceField> + use<> {
        SourceField::of(self.version)
    }

    /// Value of one field.
    pub(crate) fn value<'s>(&'s self, field: SourceField, origin: &Origin<'s>) -> SourceValue<'s> {
        let micros = origin.commit_time.unix_micros();
        match field {
            SourceField::Version => SourceValue::Text(VERSION),
            SourceField::Connector => SourceValue::Text(CONNECTOR),
            SourceField::Name => SourceValue::Text(&self.topic_prefix),
            SourceField::TsMs => SourceValue::Number(micros.div_euclid(MICROS_A_MILLI)),
            SourceField::Snapshot => SourceValue::Text(origin.snapshot.as_str()),
            SourceField::Db => SourceValue::Text(&self.database),
            SourceField::Sequence => SourceValue::Sequence(origin.previous_commit_end, origin.lsn),
            SourceField::TsUs => SourceValue::Number(micros),
            SourceField::TsNs => SourceValue::Number(micros.saturating_mul(NANOS_A_MICRO)),
            SourceField::Schema => SourceValue::Text(&self.table.namespace),
            SourceField::Table => SourceValue::Text(&self.table.name),
            SourceField::TxId => match origin.xid {
                Some(xid) => SourceValue::Number(i64::from(xid.as_u32())),
                None => SourceValue::Nothing,
            },
            SourceField::Lsn => SourceValue::Number(origin.lsn.as_u64().cast_signed()),
            // Debezium fills `xmin` only on request.
            SourceField::Xmin => SourceValue::Nothing,
            SourceField::Origin => match origin.replication {
                Some(replication) => SourceValue::Text(&replication.name),
                None => SourceValue::Nothing,
            },
            SourceField::OriginLsn => match origin.replication {
                Some(replication) => SourceValue::Number(replication.lsn.as_u64().cast_signed()),
                None => SourceValue::Nothing,
            },
        }
    }

    /// Appends the block of one event.
    pub(crate) fn put<F: Format>(&self, origin: Origin<'_>, scratch: &mut Scratch, out: &mut Vec<u8>) {
        let micros = origin.commit_time.unix_micros();
        out.extend_from_slice(&self.until_commit_time);
        F::integer(micros.div_euclid(MICROS_A_MILLI), out);
        let [streamed, ..] = &self.until_sequence;
        let until_sequence = self.until_sequence.get(origin.snapshot as usize);
        out.extend_from_slice(until_sequence.unwrap_or(streamed));
        write_sequence(origin.previous_commit_end, origin.lsn, &mut scratch.text);
        F::string(&scratch.text, out);
        put_optional_integer::<F>("ts_us", micros, out);
        put_optional_integer::<F>("ts_ns", micros.saturating_mul(NANOS_A_MICRO), out);
        out.extend_from_slice(&self.table_fields);
        match origin.xid {
            Some(xid) => put_optional_integer::<F>("txId", i64::from(xid.as_u32()), out),
            None => {
                F::field("txId", out);
                F::absent(Nullability::NullFirst, out);
            }
        }
        put_optional_integer::<F>("lsn", origin.lsn.as_u64().cast_signed(), out);
        // Debezium fills `xmin` only on request.
        F::field("xmin", out);
        F::absent(Nullability::NullFirst, out);
        if self.version >= SourceField::Origin.since() {
            put_replication_origin::<F>(origin.replication, out);
        }
        F::end_record(out);
    }
}

impl SourceValue<'_> {
    /// Appends the value; nothing for an absent one.
    pub(crate) fn put<F: Format>(self, scratch: &mut Scratch, out: &mut Vec<u8>) {
        match self {
            SourceValue::Text(text) => F::string(text.as_bytes(), out),
            SourceValue::Number(number) => F::integer(number, out),
            SourceValue::Sequence(previous, lsn) => {
                write_sequence(previous, lsn, &mut scratch.text);
                F::string(&scratch.text, out);
            }
            SourceValue::Nothing => {}
        }
    }

    /// Appends the value as text without quotes.
    pub(crate) fn put_as_text(self, scratch: &mut Scratch, out: &mut Vec<u8>) {
        match self {
            SourceValue::Text(text) => out.extend_from_slice(text.as_bytes()),
            SourceValue::Number(number) => HeaderText::integer(number, out),
            SourceValue::Sequence(previous, lsn) => {
                write_sequence(previous, lsn, &mut scratch.text);
                out.extend_from_slice(&scratch.text);
            }
            SourceValue::Nothing => out.extend_from_slice(b"null"),
        }
    }
}

fn put_text<F: Format>(name: &str, text: &str, out: &mut Vec<u8>) {
    F::field(name, out);
    F::string(text.as_bytes(), out);
}

/// Appends a field with a nullable number.
pub(crate) fn put_optional_integer<F: Format>(name: &str, value: i64, out: &mut Vec<u8>) {
    F::field(name, out);
    F::present(Nullability::NullFirst, out);
    F::integer(value, out);
}

/// Appends the fields of the replication origin.
fn put_replication_origin<F: Format>(origin: Option<&ReplicationOrigin>, out: &mut Vec<u8>) {
    F::field("origin", out);
    match origin {
        Some(origin) => {
            F::present(Nullability::NullFirst, out);
            F::string(origin.name.as_bytes(), out);
            put_optional_integer::<F>("origin_lsn", origin.lsn.as_u64().cast_signed(), out);
        }
        None => {
            F::absent(Nullability::NullFirst, out);
            F::field("origin_lsn", out);
            F::absent(Nullability::NullFirst, out);
        }
    }
}

/// Writes the text `["<end of the previous transaction>","<position of the change>"]`, both in decimal.
fn write_sequence(previous_commit_end: Option<Lsn>, lsn: Lsn, out: &mut Vec<u8>) {
    out.clear();
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
}

/// Appends the decimal digits of a number.
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
