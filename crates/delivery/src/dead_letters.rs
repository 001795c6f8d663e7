//! Changes that cannot be delivered, and what becomes of them: the connector ends, or they are kept in a topic of their own and
//! everything else goes on.

mod config;
mod refusal;
mod writer;

pub use config::{DeadLetterConfig, DeadLetterRule, OnError};
pub(crate) use refusal::{Refusal, RefusedChanges};
pub(crate) use writer::DeadLetters;
