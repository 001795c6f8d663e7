//! Transaction metadata: events of the beginning and the end of transactions.

use walcast_pgoutput::{Lsn, PgTimestamp, Xid};

use super::topic::EventTopic;
use crate::config::MapperConfig;
use crate::connect::{ConnectSchema, Kind};
use crate::encode::Scratch;
use crate::event_counts::EventCounts;
use crate::format::{Format, Nullability};
use crate::header;
use crate::record_buffer::RecordBuffer;
use crate::row::RowError;
use crate::serialization::Body;
use crate::transaction_block::{self, signed};

/// Encoder of transaction metadata.
#[derive(Debug)]
pub struct TransactionEvents {
    /// Topic of transaction metadata.
    pub topic: EventTopic,
}

/// Beginning or end of a transaction.
#[derive(Clone, Copy, Debug)]
pub struct TransactionBoundary {
    /// The transaction.
    pub xid: Xid,
    /// Position of the commit record.
    pub commit_lsn: Lsn,
    /// Commit time.
    pub commit_time: PgTimestamp,
    /// Position of the Begin or Commit message (`XLogData.wal_start`).
    pub lsn: Lsn,
}

const KEY: &str = "io.debezium.connector.common.TransactionMetadataKey";
const VALUE: &str = "io.debezium.connector.common.TransactionMetadataValue";
const COLLECTION: &str = "event.collection";

const MICROS_A_MILLI: i64 = 1_000;

impl TransactionEvents {
    /// Creates the encoder with the topic and its schemas.
    #[must_use]
    pub fn new(config: &MapperConfig) -> Self {
        let text = || ConnectSchema::plain(Kind::String);
        let long = || ConnectSchema::plain(Kind::Int64);
        let key = ConnectSchema::first_version(KEY, vec![text().required().named("id")]);
        let collection = vec![
            text().required().named("data_collection"),
            long().required().named("event_count"),
        ];
        let collections = Kind::Array(Box::new(
            ConnectSchema::first_version(COLLECTION, collection).optional(),
        ));
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
            topic: EventTopic::new(name, config, &key, &ConnectSchema::first_version(VALUE, fields)),
        }
    }

    /// Appends the event of a beginning to `buffer`.
    ///
    /// # Panics
    /// When the topic is not bound to its schemas' ids.
    pub fn begin(&self, boundary: &TransactionBoundary, buffer: &mut RecordBuffer) {
        self.put(boundary, None, buffer);
    }

    /// Appends the event of an end to `buffer`.
    ///
    /// # Panics
    /// When the topic is not bound to its schemas' ids.
    pub fn end(&self, boundary: &TransactionBoundary, counts: &EventCounts, buffer: &mut RecordBuffer) {
        self.put(boundary, Some(counts), buffer);
    }

    fn put(&self, boundary: &TransactionBoundary, ended: Option<&EventCounts>, buffer: &mut RecordBuffer) {
        let mut id = Vec::new();
        transaction_block::put_id(boundary.xid, boundary.lsn, &mut id);
        let name = if ended.is_some() { "end" } else { "begin" };
        header::push_boundary_id(buffer, boundary.commit_lsn, name);
        let value = Value {
            id: &id,
            commit_time: boundary.commit_time,
            ended,
        };
        self.topic
            .push(&Key(&id), &value, &mut Scratch::default(), buffer);
    }
}

struct Key<'a>(&'a [u8]);

impl Body for Key<'_> {
    fn put<F: Format>(&self, _: &mut Scratch, out: &mut Vec<u8>) -> Result<(), RowError> {
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
    ended: Option<&'a EventCounts>,
}

impl Body for Value<'_> {
    fn put<F: Format>(&self, _: &mut Scratch, out: &mut Vec<u8>) -> Result<(), RowError> {
        F::begin_record(out);
        F::field("status", out);
        F::string(if self.ended.is_some() { b"END" } else { b"BEGIN" }, out);
        F::field("id", out);
        F::string(self.id, out);
        F::field("event_count", out);
        match self.ended {
            None => F::absent(Nullability::NullFirst, out),
            Some(counts) => {
                F::present(Nullability::NullFirst, out);
                F::integer(signed(counts.total()), out);
            }
        }
        F::field("data_collections", out);
        match self.ended {
            None => F::absent(Nullability::NullFirst, out),
            Some(counts) => {
                F::present(Nullability::NullFirst, out);
                put_collections::<F>(counts, out);
            }
        }
        F::field("ts_ms", out);
        F::integer(self.commit_time.unix_micros().div_euclid(MICROS_A_MILLI), out);
        F::end_record(out);
        Ok(())
    }
}

fn put_collections<F: Format>(counts: &EventCounts, out: &mut Vec<u8>) {
    let collections = counts.collections();
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
