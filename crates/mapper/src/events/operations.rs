//! Selection of operations.

use crate::config::{EventsConfig, Operation};
use crate::op::Op;

/// Operations that produce events, for a check per change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operations {
    create: bool,
    update: bool,
    delete: bool,
    truncate: bool,
    /// Whether updates without a changed value are skipped.
    pub(crate) skip_unchanged: bool,
}

impl Operations {
    pub(crate) fn new(config: &EventsConfig) -> Self {
        let has = |operation| config.operations.contains(&operation);
        Self {
            create: has(Operation::Create),
            update: has(Operation::Update),
            delete: has(Operation::Delete),
            truncate: has(Operation::Truncate),
            skip_unchanged: config.skip_unchanged,
        }
    }

    pub(crate) fn contain(&self, op: Op) -> bool {
        match op {
            Op::Create => self.create,
            Op::Update => self.update,
            Op::Delete => self.delete,
            Op::Truncate => self.truncate,
            // A snapshot is only run where rows are wanted.
            Op::Read => true,
        }
    }
}
