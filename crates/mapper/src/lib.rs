//! Turns a relation into Avro schemas, and a row change into the bytes of Kafka records: Debezium's envelope, field
//! for field.
//!
//! On each Relation message a [`Plan`] is compiled: per column a small encoder that writes Avro straight from the
//! wire's text into a [`Batch`]. No value tree per row, no schema look-up per row, no allocation per column.
//!
//! The crate does no I/O: schema ids and catalog facts are handed to it. It never turns an unchanged TOAST value into
//! null, and what it cannot map is an error that names the column; the batch is then as it was before.
#![deny(clippy::indexing_slicing)]

mod absent;
mod avro;
mod batch;
mod change;
mod column;
mod column_type;
mod config;
mod defaults;
mod encode;
mod envelope;
mod error;
mod facts;
mod header;
pub mod json;
mod key;
mod names;
mod plan;
mod records;
mod schema;
mod source;

pub use batch::{Batch, Header, Mark, RecordView};
pub use change::{ChangeContext, Ordinal, RecordId, RowChange};
pub use config::{MapperConfig, TableName};
pub use error::MapError;
pub use facts::{ColumnFacts, TableFacts, TypeFacts, TypeKind};
pub use plan::{Plan, SchemaId, SchemaIds};
