//! Logical decoding messages: what `pg_logical_emit_message` wrote into the log.

use walcast_pgoutput::{LogicalMessage, Lsn, PgTimestamp, Xid};

use super::choice::Choice;
use super::first_version;
use super::tally::{EventOrder, Tally};
use super::topic::EventTopic;
use super::transaction::put_transaction_block;
use crate::connect::{ConnectSchema, Kind};
use crate::encode::Scratch;
use crate::envelope::RowFault;
use crate::format::{Avro, Format, Json, Nullability};
use crate::serialization::Body;
use crate::source::{Origin, Source, put_optional_integer};
use crate::{Batch, Encoding, MapperConfig, RecordId, SnapshotMark, TableName, header, schema};

/// The topic of messages and its records.
#[derive(Debug)]
pub struct MessageEvents {
    /// Where they go.
    pub topic: EventTopic,
    choice: Choice,
    source: Source,
    scratch: Scratch,
}

/// Where a message stands.
#[derive(Clone, Copy, Debug)]
pub struct MessageContext {
    /// Which record it becomes.
    pub id: RecordId,
    /// The transaction it belongs to; `None`: it stands for itself.
    pub xid: Option<Xid>,
    /// Where it lies.
    pub lsn: Lsn,
    /// When its transaction was committed. One that stands for itself has no time: that of the transaction before it.
    pub commit_time: PgTimestamp,
    /// Where the transaction before this event ended. A message that stands for itself is its own end.
    pub previous_commit_end: Option<Lsn>,
    /// Our own clock, nanoseconds since 1970.
    pub processed_at_unix_nanos: i64,
}

const TOPIC: &str = "message";
const KEY: &str = "io.debezium.connector.postgresql.MessageKey";
const VALUE: &str = "io.debezium.connector.postgresql.MessageValue";
const BLOCK: &str = "io.debezium.connector.postgresql.Message";
/// Under which messages are counted in their transaction.
const COLLECTION: &str = "LOGICAL_DECODING_MESSAGE";

const NANOS_A_MILLI: i64 = 1_000_000;

impl MessageEvents {
    /// The topic and its schemas.
    #[must_use]
    pub fn new(config: &MapperConfig) -> Self {
        let text = || ConnectSchema::plain(Kind::String);
        let key = first_version(KEY, vec![text().optional().named("prefix")]);
        let block = vec![
            text().optional().named("prefix"),
            ConnectSchema::plain(Kind::Bytes).optional().named("content"),
        ];
        let fields = vec![
            text().required().named("op"),
            ConnectSchema::plain(Kind::Int64).optional().named("ts_ms"),
            schema::source().required().named("source"),
            schema::transaction().optional().named("transaction"),
            first_version(BLOCK, block).required().named("message"),
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
                &first_version(VALUE, fields),
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
    pub fn chooses(&self, prefix: &str) -> bool {
        self.choice.contains(prefix)
    }

    /// Writes the event of a message to the end of `batch`, counted in `tally` where its transaction is told.
    ///
    /// # Panics
    /// When the topic is not bound to its schemas' ids.
    pub fn encode(
        &mut self,
        message: &LogicalMessage<'_>,
        context: &MessageContext,
        tally: Option<&mut Tally>,
        batch: &mut Batch,
    ) {
        header::push_id(batch, &context.id);
        let value = Value {
            source: &self.source,
            message,
            context,
            order: tally.map(|tally| tally.count(COLLECTION)),
        };
        let key = Key(message.prefix);
        self.topic.push(&key, &value, &mut self.scratch, batch);
    }
}

struct Key<'a>(&'a str);

impl Body for Key<'_> {
    fn put<F: Format>(&self, _: &mut Scratch, out: &mut Vec<u8>) -> Result<(), RowFault> {
        F::begin_record(out);
        put_prefix::<F>(self.0, out);
        F::end_record(out);
        Ok(())
    }
}

struct Value<'a> {
    source: &'a Source,
    message: &'a LogicalMessage<'a>,
    context: &'a MessageContext,
    order: Option<EventOrder>,
}

impl Body for Value<'_> {
    fn put<F: Format>(&self, scratch: &mut Scratch, out: &mut Vec<u8>) -> Result<(), RowFault> {
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
            snapshot: SnapshotMark::None,
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
