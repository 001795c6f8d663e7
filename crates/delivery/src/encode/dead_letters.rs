//! Dead letters: changes that cannot be delivered, kept in a separate topic while the other changes are delivered.

pub(crate) mod config;
pub(crate) mod rejected_changes;
pub(crate) mod writer;
