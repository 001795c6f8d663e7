//! Positions: checkpoints, and whether the server can still stream from one.

pub(crate) mod checkpoint;
pub(crate) mod lineage;
pub(crate) mod positions;
pub(crate) mod resume;
pub(crate) mod rewind;
pub(crate) mod rewind_rejected;
