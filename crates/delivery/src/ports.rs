//! The ports of the delivery protocol: traits with real implementations in production and modelled ones in simulations.

pub(crate) mod bookmarks;
pub(crate) mod catalog;
pub(crate) mod checkpoint_store;
pub(crate) mod outbox_tables;
pub(crate) mod polled;
pub(crate) mod registry;
pub(crate) mod replay;
pub(crate) mod sink;
pub(crate) mod snapshots;
pub(crate) mod source;
pub(crate) mod topics;
pub(crate) mod wal;
