//! Sessions: from leadership to the end of a stream, one after another.

pub(crate) mod connector;
pub(crate) mod ports;
pub(crate) mod retry_delay;
pub(crate) mod setup;
pub(crate) mod status;
pub(crate) mod streaming;
pub(crate) mod watcher;
