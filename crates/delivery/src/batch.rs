//! Batches: stretches of the stream as records, on the way from ingest to committer.

pub(crate) mod builder;
pub(crate) mod contents;
pub(crate) mod delta;
pub(crate) mod queue;
