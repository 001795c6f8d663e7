//! Encoding: turns events of the stream and rows of snapshots into records, or into dead letters where configured.

pub(crate) mod context;
pub(crate) mod dead_letters;
pub(crate) mod encode_error;
pub(crate) mod messages;
pub(crate) mod metadata;
pub(crate) mod output;
pub(crate) mod owners;
pub(crate) mod ports;
pub(crate) mod registrar;
pub(crate) mod rejection;
mod reselect;
pub(crate) mod tables;
