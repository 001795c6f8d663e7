//! Migration from the Debezium Postgres connector: translates its configuration to that of walcast, and its stored offset to
//! the first checkpoint.
//!
//! ```text
//! connector.json, worker.properties ──Given──▶ rules ──Draft──▶ walcast.toml, and a finding for each property
//! offsets topic, file or text ──Offset──▶ walcast_delivery::import_offset ──▶ checkpoint
//! ```
//!
//! A value without an exact counterpart is reported, never approximated. Secrets are never copied.

mod connect_json;
mod draft;
mod file;
mod finding;
mod given;
mod java_map;
mod migration;
mod offset;
mod properties_file;
mod regex_list;
mod report;
mod rule;
mod rules;
mod stored;
#[cfg(test)]
mod tests;
mod worker;

pub(crate) use self::given::{Given, InputError};
pub(crate) use self::migration::migrate;
pub(crate) use self::offset::{Offset, OffsetError};
pub(crate) use self::stored::{Stored, StoredError, in_file, in_records};
pub(crate) use self::worker::{WorkerError, check_stopped, release};
