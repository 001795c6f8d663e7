//! Turns a relation into Avro schemas, and a row change into the bytes of Kafka records: Debezium's envelope, field
//! for field.
//!
//! On each Relation message a [`Plan`] is compiled: per column a small encoder that writes Avro straight from the
//! wire's text into a [`Batch`]. No value tree per row, no schema look-up per row, no allocation per column.
//!
//! The crate does no I/O: schema ids and catalog facts are handed to it. It never turns an unchanged TOAST value into
//! null, and what it cannot map is an error that names the column; the batch is then as it was before.
//!
//! ```
//! use walcast_mapper::{Batch, ChangeContext, MapperConfig, Ordinal, Plan, RowChange, SchemaId, SchemaIds, TableFacts};
//! use walcast_pgoutput::reader::Reader;
//! use walcast_pgoutput::{
//!     Column, Lsn, Oid, PgTimestamp, Relation, RelationColumn, ReplicaIdentity, Tuple, Xid, encode,
//! };
//!
//! let id = RelationColumn { is_key: true, name: "id".to_owned(), type_oid: Oid::new(23), type_modifier: -1 };
//! let relation = Relation {
//!     xid: None,
//!     oid: Oid::new(16_384),
//!     namespace: "public".to_owned(),
//!     name: "orders".to_owned(),
//!     replica_identity: ReplicaIdentity::Default,
//!     columns: vec![id],
//! };
//! let config = MapperConfig::new("shop", "shop");
//! let mut plan = Plan::compile(&relation, &TableFacts::default(), &config)?;
//! assert_eq!(plan.topic(), "shop.public.orders");
//! plan.bind(SchemaIds { key: Some(SchemaId::new(1)), value: Some(SchemaId::new(2)) });
//!
//! let row = encode::tuple(&[Column::Text(b"42")]);
//! let change = RowChange::Insert { new: Tuple::read(&mut Reader::new(&row))? };
//! let context = ChangeContext {
//!     xid: Xid::new(700),
//!     commit_lsn: Lsn::new(0x16B_3748),
//!     commit_time: PgTimestamp::from_unix_micros(1_700_000_000_000_000),
//!     lsn: Lsn::new(0x16B_3700),
//!     ordinal: Ordinal::new(0),
//!     previous_commit_end: None,
//!     processed_at_unix_nanos: 1_700_000_000_100_000_000,
//! };
//! let mut batch = Batch::new();
//! plan.encode(&change, &context, None, &mut batch)?;
//! let record = batch.records().next().unwrap();
//! // The registry's prefix, then 42 as Avro writes it.
//! assert_eq!(record.key, Some([0, 0, 0, 0, 1, 84].as_slice()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![deny(clippy::indexing_slicing)]

mod absent;
mod avro;
mod batch;
mod built_in;
mod change;
mod column;
mod column_type;
mod config;
mod connect;
mod dead_letter;
mod defaults;
mod encode;
mod envelope;
mod error;
mod events;
mod facts;
mod format;
mod gone;
mod header;
pub mod json;
mod key;
mod limits;
mod names;
mod pattern;
mod plan;
mod read;
mod records;
mod schema;
mod serialization;
mod shape;
mod source;
mod source_field;
mod source_type;
mod treatment;
mod unsent;

pub use batch::{Batch, Header, Mark, RecordView};
pub use change::{ChangeContext, Ordinal, RecordId, RowChange};
pub use config::{
    ArrayMode, BinaryMode, ColumnSettings, DecimalMode, Encoding, EventsConfig, FieldAdjustment, FlatDeletes,
    FlatForm, HashAlgorithm, HashRule, HashVersion, HstoreMode, IntervalMode, KeyRule, MapperConfig,
    MaskRule, MetadataField, MissingKeyColumns, MissingNotNull, NameSettings, NullWithDefault, Operation,
    Route, RouteError, RouteText, Salt, SchemaAdjustment, Shape, TableName, TimeMode, TruncateRule,
    TypeModes, UnavailableValues, UnknownMode, UnwritableMode,
};
pub use dead_letter::{DeadLetter, LetterPlace, LetterReason, LostEvent, letter_key, write_letter_done};
pub use error::MapError;
pub use events::{
    EdgeContext, EventTopic, HeartbeatEvents, MessageContext, MessageEvents, Notification,
    NotificationEvents, SnapshotEvent, SnapshotKind, Tally, TransactionEvents,
};
pub use facts::{ColumnFacts, TableFacts, TypeFacts, TypeKind};
pub use gone::gone_tuple;
pub use limits::RecordLimits;
pub use pattern::{ColumnPattern, NamePattern, PatternError, PrefixPattern, TablePattern};
pub use plan::{Plan, SchemaId, SchemaIds};
pub use read::{GoneContext, ReadContext, RowId, SnapshotMark};
pub use source_field::SourceField;
pub use unsent::Unsent;
