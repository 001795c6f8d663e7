//! Coming from the Debezium Postgres connector: its configuration becomes ours, its stored position our first checkpoint.
//!
//! ```text
//! connector.json, worker.properties ──Given──▶ rules ──Draft──▶ walcast.toml, line by line, and what has no counterpart
//! offsets topic, file or text ──Offset──▶ walcast_delivery::take_over ──▶ checkpoint
//! ```
//!
//! Nothing is guessed: a value that has no exact counterpart is reported. Secrets are never copied.

mod draft;
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
pub(crate) use self::worker::{WorkerError, check_stopped};
