//! Messages of the server outside the replication stream, read with bounds checks.

mod arrived;
mod message;

pub(crate) use arrived::Arrived;
pub(crate) use message::{AuthenticationRequest, BackendMessage};
