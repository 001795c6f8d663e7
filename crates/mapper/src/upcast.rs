//! Upcasters: steps that turn the payload of an event of one schema version into that of a later one.
//!
//! A payload is changed as JSON text: members that no step concerns keep their order, and their numbers the digits that they have.

mod apply;
mod chain;
mod comparison;
mod document;
mod fault;
mod path;
mod step;
mod step_error;
#[cfg(test)]
mod tests;
mod upcaster;
mod version_member;

pub(crate) use self::chain::{Chain, ChainError, chains};
pub(crate) use self::document::Object;
pub use self::fault::UpcastFault;
pub(crate) use self::path::Path;
pub use self::step::{JsonType, Step, StepText};
pub use self::step_error::StepError;
pub use self::upcaster::{SchemaVersion, UpcastTest, Upcaster};
