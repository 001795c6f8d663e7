//! The stream: its transactions, the check of its history, and the ingest that turns it into batches.

pub(crate) mod explained;
pub(crate) mod history;
pub(crate) mod ingest;
pub(crate) mod interruption;
mod signal_table;
pub(crate) mod transactions;
