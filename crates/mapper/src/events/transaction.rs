//! What is told of transactions: their beginning and end, and each event's place in its own.

use walcast_pgoutput::{Lsn, PgTimestamp, Xid};

use super::first_version;
use super::tally::{EventOrder, Tally};
use super::topic::EventTopic;
use crate::connect::{ConnectSchema, Kind};
use crate::encode::Scratch;
use crate::envelope::RowFault;
use crate::format::{Format, Nullability};
use crate::serialization::Body;
use crate::source::put_decimal;
use crate::{Batch, MapperConfig, header};

/// The topic of the transactions' edges and its records.
#[derive(Debug)]
pub struct TransactionEvents {
    /// Where they go.
    pub topic: EventTopic,
}

/// Where the edge of a transaction stands.
#[derive(Clone, Copy, Debug)]
pub struct EdgeContext {
    /// The transaction.
    pub xid: Xid,
    /// Where its commit record lies.
    pub commit_lsn: Lsn,
    /// When it was committed.
    pub commit_time: PgTimestamp,
    /// Where the edge itself lies (`XLogData.wal_start`).
    pub lsn: Lsn,
}

const KEY: &str = "io.debezium.connector.common.TransactionMetadataKey";
const VALUE: &str = "io.debezium.connector.common.TransactionMetadataValue";
const COLLECTION: &str = "event.collection";

const MICROS_A_MILLI: i64 = 1_000;

impl TransactionEvents {
    /// The topic and its schemas.
    #[must_use]
    pub fn new(config: &MapperConfig) -> Self {
        let text = || ConnectSchema::plain(Kind::String);
        let long = || ConnectSchema::plain(Kind::Int64);
        let key = first_version(KEY, vec![text().required().named("id")]);
        let collection = vec![
            text().required().named("data_collection"),
            long().required().named("event_count"),
        ];
        let collections = Kind::Array(Box::new(first_version(COLLECTION, collection).optional()));
        let fields = vec![
            text().required().named("status"),
            text().required().named("id"),
            long().optional().named("event_count"),
            ConnectSchema::from(collections)
                .optional()
                .named("data_collections"),
            long().required().named("ts_ms"),
        ];
        let parts = [&config.topic_prefix, &config.events.transaction_topic].map(String::as_str);
        let name = parts.join(&config.names.delimiter);
        Self {
            topic: EventTopic::new(name, config, &key, &first_version(VALUE, fields)),
        }
    }

    /// Writes the event of a beginning to the end of `batch`.
    ///
    /// # Panics
    /// When the topic is not bound to its schemas' ids.
    pub fn begin(&self, edge: &EdgeContext, batch: &mut Batch) {
        self.put(edge, None, batch);
    }

    /// Writes the event of an end.
    ///
    /// # Panics
    /// When the topic is not bound to its schemas' ids.
    pub fn end(&self, edge: &EdgeContext, tally: &Tally, batch: &mut Batch) {
        self.put(edge, Some(tally), batch);
    }

    fn put(&self, edge: &EdgeContext, ended: Option<&Tally>, batch: &mut Batch) {
        let mut id = Vec::new();
        put_id(edge.xid, edge.lsn, &mut id);
        let name = if ended.is_some() { "end" } else { "begin" };
        header::push_edge_id(batch, edge.commit_lsn, name);
        let value = Value {
            id: &id,
            commit_time: edge.commit_time,
            ended,
        };
        self.topic.push(&Key(&id), &value, &mut Scratch::default(), batch);
    }
}

struct Key<'a>(&'a [u8]);

impl Body for Key<'_> {
    fn put<F: Format>(&self, _: &mut Scratch, out: &mut Vec<u8>) -> Result<(), RowFault> {
        F::begin_record(out);
        F::field("id", out);
        F::string(self.0, out);
        F::end_record(out);
        Ok(())
    }
}

struct Value<'a> {
    id: &'a [u8],
    commit_time: PgTimestamp,
    ended: Option<&'a Tally>,
}

impl Body for Value<'_> {
    fn put<F: Format>(&self, _: &mut Scratch, out: &mut Vec<u8>) -> Result<(), RowFault> {
        F::begin_record(out);
        F::field("status", out);
        F::string(if self.ended.is_some() { b"END" } else { b"BEGIN" }, out);
        F::field("id", out);
        F::string(self.id, out);
        F::field("event_count", out);
        match self.ended {
            None => F::absent(Nullability::NullFirst, out),
            Some(tally) => {
                F::present(Nullability::NullFirst, out);
                F::integer(signed(tally.total()), out);
            }
        }
        F::field("data_collections", out);
        match self.ended {
            None => F::absent(Nullability::NullFirst, out),
            Some(tally) => {
                F::present(Nullability::NullFirst, out);
                put_collections::<F>(tally, out);
            }
        }
        F::field("ts_ms", out);
        F::integer(self.commit_time.unix_micros().div_euclid(MICROS_A_MILLI), out);
        F::end_record(out);
        Ok(())
    }
}

fn put_collections<F: Format>(tally: &Tally, out: &mut Vec<u8>) {
    let collections = tally.collections();
    F::begin_array(collections.len(), out);
    for (name, events) in collections {
        F::item(out);
        F::present(Nullability::NullFirst, out);
        F::begin_record(out);
        F::field("data_collection", out);
        F::string(name.as_bytes(), out);
        F::field("event_count", out);
        F::integer(signed(events), out);
        F::end_record(out);
    }
    F::end_array(out);
}

/// Appends the value of the field `transaction`: null where transactions are not told.
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

/// `<xid>:<lsn>`, both in decimal. The position is that of the event which carries the id, so that the events of one
/// transaction share only the first half: so does Debezium write it.
pub(crate) fn put_id(xid: Xid, lsn: Lsn, out: &mut Vec<u8>) {
    put_decimal(u64::from(xid.as_u32()), out);
    out.push(b':');
    put_decimal(lsn.as_u64(), out);
}

/// Counts stay far below 2^63.
pub(crate) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
