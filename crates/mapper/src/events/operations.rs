//! Which operations make events.

use crate::envelope::Op;
use crate::{EventsConfig, Operation};

/// The operations that make events, to be asked for each change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operations {
    create: bool,
    update: bool,
    delete: bool,
    truncate: bool,
    /// Whether an update that changed nothing is none.
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
            // Whoever wants no rows reads none.
            Op::Read => true,
        }
    }
}
