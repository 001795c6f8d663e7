//! Logical decoding messages, which `pg_logical_emit_message` writes to the WAL.

use walcast_pgoutput::{LogicalMessage, Lsn, PgTimestamp, Xid};

use super::choice::Choice;
use super::topic::EventTopic;
use crate::change::{RecordId, ReplicationOrigin};
use crate::config::{Encoding, MapperConfig};
use crate::connect::{ConnectSchema, Kind};
use crate::encode::Scratch;
use crate::event_counts::{EventCounts, EventOrder};
use crate::format::{Avro, Format, Json, Nullability};
use crate::record_buffer::RecordBuffer;
use crate::row::RowError;
use crate::serialization::Body;
use crate::snapshot_marker::SnapshotMarker;
use crate::source::{Origin, Source, put_optional_integer};
use crate::table_name::TableName;
use crate::transaction_block::put_transaction_block;
use crate::{header, schema};

/// Encoder of logical decoding messages.
#[derive(Debug)]
pub struct MessageEvents {
    /// Topic of messages.
    pub topic: EventTopic,
    choice: Choice,
    source: Source,
    scratch: Scratch,
}

/// Position of a message.
#[derive(Clone, Copy, Debug)]
pub struct MessageContext<'o> {
    /// Identity of the record.
    pub id: RecordId,
    /// Transaction of the message; `None` for a non-transactional message.
    pub xid: Option<Xid>,
    /// Position of the message.
    pub lsn: Lsn,
    /// Commit time of the transaction; of a non-transactional message, that of the transaction before it.
    pub commit_time: PgTimestamp,
    /// End of the previous transaction. A non-transactional message is its own end.
    pub previous_commit_end: Option<Lsn>,
    /// Replication origin of the transaction; `None` for a transaction of this server, and for a non-transactional message.
    pub origin: Option<&'o ReplicationOrigin>,
    /// Local clock, nanoseconds since 1970.
    pub processed_at_unix_nanos: i64,
}

const TOPIC: &str = "message";
const KEY: &str = "io.debezium.connector.postgresql.MessageKey";
const VALUE: &str = "io.debezium.connector.postgresql.MessageValue";
const BLOCK: &str = "io.debezium.connector.postgresql.Message";
/// Collection under which messages are counted in their transaction.
const COLLECTION: &str = "LOGICAL_DECODING_MESSAGE";

const NANOS_A_MILLI: i64 = 1_000_000;

impl MessageEvents {
    /// Creates the encoder with the topic and its schemas.
    #[must_use]
    pub fn new(config: &MapperConfig) -> Self {
        let text = || ConnectSchema::plain(Kind::String);
        let key = ConnectSchema::first_version(KEY, vec![text().optional().named("prefix")]);
        let block = vec![
            text().optional().named("prefix"),
            ConnectSchema::plain(Kind::Bytes).optional().named("content"),
        ];
        let fields = vec![
            text().required().named("op"),
            ConnectSchema::plain(Kind::Int64).optional().named("ts_ms"),
            schema::source(config.debezium_version).required().named("source"),
            schema::transaction().optional().named("transaction"),
            ConnectSchema::first_version(BLOCK, block)
                .required()
                .named("message"),
        ];
        let nowhere = TableName {
            namespace: String::new(),
            name: String::new(),
        };
        let events = &config.events;
        Self {
            topic: EventTopic::new(
                format!("{}.{TOPIC}", config.topic_prefix),
                config,
                &key,
                &ConnectSchema::first_version(VALUE, fields),
            ),
            choice: Choice::new(&events.messages, &events.exclude_messages),
            source: match config.value {
                Encoding::Avro => Source::new::<Avro>(&nowhere, config),
                Encoding::Json | Encoding::JsonSchema => Source::new::<Json>(&nowhere, config),
            },
            scratch: Scratch::default(),
        }
    }

    /// Whether messages with this prefix are sent.
    #[must_use]
    pub fn matches(&self, prefix: &str) -> bool {
        self.choice.contains(prefix)
    }

    /// Appends the event of a message to `buffer` and counts it in `counts`, which is `None` without transaction
    /// metadata.
    ///
    /// # Panics
    /// When the topic is not bound to its schemas' ids.
    pub fn encode(
        &mut self,
        message: &LogicalMessage<'_>,
        context: &MessageContext<'_>,
        counts: Option<&mut EventCounts>,
        buffer: &mut RecordBuffer,
    ) {
        header::push_id(buffer, &context.id);
        let value = Value {
            source: &self.source,
            message,
            context,
            order: counts.map(|counts| counts.count(COLLECTION)),
        };
        let key = Key(message.prefix);
        self.topic.push(&key, &value, &mut self.scratch, buffer);
    }
}

struct Key<'a>(&'a str);

impl Body for Key<'_> {
    fn put<F: Format>(&self, _: &mut Scratch, out: &mut Vec<u8>) -> Result<(), RowError> {
        F::begin_record(out);
        put_prefix::<F>(self.0, out);
        F::end_record(out);
        Ok(())
    }
}

struct Value<'a> {
    source: &'a Source,
    message: &'a LogicalMessage<'a>,
    context: &'a MessageContext<'a>,
    order: Option<EventOrder>,
}

impl Body for Value<'_> {
    fn put<F: Format>(&self, scratch: &mut Scratch, out: &mut Vec<u8>) -> Result<(), RowError> {
        let Self { message, context, .. } = self;
        F::begin_record(out);
        F::field("op", out);
        F::string(b"m", out);
        let millis = context.processed_at_unix_nanos.div_euclid(NANOS_A_MILLI);
        put_optional_integer::<F>("ts_ms", millis, out);
        F::field("source", out);
        let origin = Origin {
            xid: context.xid,
            commit_time: context.commit_time,
            lsn: context.lsn,
            previous_commit_end: context.previous_commit_end,
            snapshot: SnapshotMarker::None,
            replication: context.origin,
        };
        self.source.put::<F>(origin, scratch, out);
        F::field("transaction", out);
        let event = context.xid.zip(self.order);
        let event = event.map(|(xid, order)| (xid, context.lsn, order));
        put_transaction_block::<F>(event, scratch, out);
        F::field("message", out);
        F::begin_record(out);
        put_prefix::<F>(message.prefix, out);
        F::field("content", out);
        F::present(Nullability::NullFirst, out);
        F::bytes(message.content.len(), message.content.iter().copied(), out);
        F::end_record(out);
        F::end_record(out);
        Ok(())
    }
}

fn put_prefix<F: Format>(prefix: &str, out: &mut Vec<u8>) {
    F::field("prefix", out);
    F::present(Nullability::NullFirst, out);
    F::string(prefix.as_bytes(), out);
}
