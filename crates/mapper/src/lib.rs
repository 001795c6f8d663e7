//! Mapping of relations to Avro schemas, and of row changes to the bytes of Kafka records: Debezium's envelope, field
//! for field.
//!
//! On each Relation message a [`Plan`] is compiled: a small encoder per column that writes Avro directly from the
//! server's text form into a [`RecordBuffer`]. There is no value tree and no schema lookup per row, and no allocation
//! per column (`tests/hot_path.rs` counts them).
//!
//! The crate does no I/O: its caller provides schema ids and catalog metadata. It never turns an unchanged TOAST value
//! into null. A row that cannot be mapped is an error that names the column, and leaves the buffer unchanged.
//!
//! ```
//! use walcast_mapper::{RecordBuffer, ChangeContext, MapperConfig, Ordinal, Plan, RowChange, SchemaId, SchemaIds, TableMetadata};
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
//! let mut plan = Plan::compile(&relation, &TableMetadata::default(), &config)?;
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
//!     origin: None,
//!     transaction_context: None,
//!     processed_at_unix_nanos: 1_700_000_000_100_000_000,
//! };
//! let mut buffer = RecordBuffer::new();
//! plan.encode(&change, &context, None, &mut buffer)?;
//! let record = buffer.records().next().unwrap();
//! // The registry's prefix, then 42 as Avro writes it.
//! assert_eq!(record.key, Some([0, 0, 0, 0, 1, 84].as_slice()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![deny(clippy::indexing_slicing)]

mod avro;
mod built_in;
mod change;
mod column;
mod column_transform;
mod column_type;
pub mod config;
mod connect;
pub mod dead_letter;
mod debezium_version;
mod defaults;
mod destination;
mod encode;
mod envelope;
mod error;
mod event_context;
mod event_counts;
pub mod events;
mod format;
mod header;
pub mod json;
mod key;
mod limits;
mod missing_row;
pub mod names;
mod op;
mod outbox;
pub mod pattern;
mod plan;
mod read;
mod record_buffer;
mod records;
mod reselect;
mod row;
mod row_event;
mod schema;
mod schema_id;
mod secret;
mod serialization;
mod shape;
mod snapshot_marker;
mod source;
mod source_field;
mod source_type;
mod table_metadata;
mod table_name;
mod transaction_block;
mod transaction_context;
pub mod upcast;

pub use change::{ChangeContext, Ordinal, RecordId, ReplicationOrigin, RowChange};
pub use column_type::is_extension_type;
pub use config::MapperConfig;
pub use error::{MapError, Violation, WithoutKey};
pub use event_counts::EventCounts;
pub use limits::RecordLimits;
pub use missing_row::missing_row_tuple;
pub use outbox::event_store::{StoreChange, StreamEvent, StreamRules};
pub use outbox::message::{MessageOutbox, MessageRow};
pub use plan::Plan;
pub use read::{MissingRowContext, ReadContext, RowId};
pub use record_buffer::{Header, RecordBuffer, RecordView, Savepoint};
pub use reselect::ReselectRequest;
pub use schema_id::{SchemaId, SchemaIds};
pub use secret::Secret;
pub use snapshot_marker::SnapshotMarker;
pub use source_field::SourceField;
pub use table_metadata::{ColumnMetadata, TableMetadata, TypeKind, TypeMetadata};
pub use table_name::TableName;
pub use transaction_context::{CONTEXT_HEADER, ContextError, ContextRule, TransactionContext};
