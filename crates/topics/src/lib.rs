//! Reading back what was delivered: the records of topics, decoded, with their positions.
//!
//! ```text
//! Topic ──offset_of(Bound)──▶ RecordReader ──bytes──▶ Decoder ──▶ Record: position, operation, before, after, source
//!                              read_committed,          registry, apache-avro, or JSON
//!                              to the end at the start
//! ```
//!
//! - [`Topic`] has the offsets of the partitions of a topic at one moment, and reads them: one partition from an offset, a time or an
//!   LSN ([`Bound`]), or all of them.
//! - [`Decoder`] turns the bytes of any format that `[format]` offers into a [`Record`]. It shares nothing with the code that writes
//!   records: Avro is read by apache-avro with the schemas of the registry.
//! - [`key_partitions`] finds the partitions of a key that a user typed ([`TypedKey`]).
//! - [`offsets_at`] finds the offsets of a position or a time.
//! - [`plan_window`] finds the offsets between which a window of positions lies, and [`WindowRecords`] chooses its records.
//! - [`HistoryReader`] reads the changes of one key, and [`RowStates`] compares each with the row before it.
//!
//! Guarantees: only committed records are read, up to the end offsets at the start; memory does not grow with a topic; what a record
//! does not contain is `None` or [foreign](Content::Foreign), never a guess. The crate writes nothing and joins no consumer group.
//!
//! ```no_run
//! # async fn example(kafka: walcast_kafka::KafkaConfig, registry: walcast_kafka::Registry) -> Result<(), walcast_topics::TopicsError> {
//! use walcast_topics::{Bound, Decoder, Settings, Topic};
//!
//! let mut decoder = Decoder::new(Some(registry), Settings::default());
//! let topic = Topic::open(&kafka, "shop.public.orders").await?;
//! for range in topic.partitions() {
//!     let mut reader = topic.read_partition(&mut decoder, *range, Bound::Beginning).await?;
//!     while let Some(record) = reader.next(&mut decoder).await? {
//!         if let Some(change) = record.change() {
//!             println!("{} {:?} {:?}", record.place(), change.operation, change.after);
//!         }
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod avro;
mod change;
mod decimal;
mod decoder;
mod envelope;
mod error;
mod form;
mod json;
mod key_bytes;
mod key_change;
mod key_history;
mod key_partitions;
mod moment;
mod note;
mod offsets;
mod partitioner;
mod policy;
mod reader;
mod record;
mod replay_plan;
mod row_states;
mod schemas;
mod search;
mod settings;
mod typed_key;
mod unavailable;
mod value;
mod walcast_id;
mod window_records;

pub use change::{Change, Operation, Source, TransactionBlock, ValueShape};
pub use decoder::Decoder;
pub use error::TopicsError;
pub use key_change::{KeyChange, OtherKey};
pub use key_history::{CHANGES_MAX, HistoryReader, KeyHistory, PointInTime, Window};
pub use key_partitions::{AllPartitions, KeyPartitions, Partitioning, key_partitions};
pub use moment::{Moment, MomentKind, Unit};
pub use note::Note;
pub use offsets::{PartitionOffset, offsets_at};
pub use partitioner::partition_of;
pub use policy::policy_note;
pub use reader::{RecordReader, Topic};
pub use record::{Content, Header, Record, RecordSchemas};
pub use replay_plan::{
    LsnWindow, Oldest, RemovedRecords, WindowRange, first_left, last_position, oldest_position, plan_window,
    position_of_time,
};
pub use row_states::{ColumnChange, ColumnOrigin, OldValue, RowState, RowStates};
pub use search::{Bound, first_offset};
pub use settings::{FlatField, Settings};
pub use typed_key::{ParseKeyError, TypedKey};
pub use value::{Double, Row, Value};
pub use walcast_id::{ParseWalcastIdError, WALCAST_ID, WalcastId};
pub use window_records::WindowRecords;
