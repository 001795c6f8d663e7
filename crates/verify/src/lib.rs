//! Comparison of the source with the topics at one position.
//!
//! ```text
//! snapshot at L ──▶ rows ──mapper──▶ records ──apache-avro──▶ values ──▶ digests ─┐
//!                                                                                 ├─ by ranges of keys ──▶ Tally
//! topic ──▶ records ──registry, apache-avro──▶ values ──▶ digests ──▶ fold to L ──┘
//! ```
//!
//! A row becomes digests of 128 bits, which are combined by addition modulo 2^128: of its columns to that of the row, and of the rows
//! to the sum of a table. The digests lie in temporary files, so that memory grows neither with the table nor with the topic.
//!
//! The crate reads the source through a port of `walcast-delivery` and knows no client of Kafka: its caller passes the records.
#![deny(clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::indexing_slicing, reason = "tests fail by panicking"))]

mod certificate;
mod columns;
mod comparison;
mod completeness;
mod datum;
mod digest;
mod entry;
mod error;
mod fold;
mod history;
mod judgement;
mod key_range;
mod place;
mod plain;
mod record;
mod row_key;
mod source;
mod spill;
mod table;
mod tally;
mod transactions;
mod value;

pub use certificate::{Certificate, PartitionOffsets, TopicCertificate, TransactionCounts, Verdict, hash_of};
pub use columns::{ComparedColumn, ComparedColumns};
pub use comparison::{After, Comparison};
pub use completeness::Completeness;
pub use datum::{AvroSchema, DatumError, decode_json, split};
pub use digest::{Digest, Sum};
pub use entry::RecordPlace;
pub use error::VerifyError;
pub use history::{FaultKind, History, HistoryFault};
pub use key_range::KeyRange;
pub use place::{Follows, Place};
pub use plain::PlainType;
pub use record::{RecordedChange, names_another, recorded_change, recorded_table};
pub use row_key::RowKey;
pub use source::{Outcome, Pace, read_rows};
pub use table::{Method, SourceRow, SourceTable};
pub use tally::{Finding, Kind, Reason, Side, Tally};
pub use transactions::{IncompleteTransaction, Transactions, WholeTransactions};
pub use value::Value;
