//! Memory for conversions.

use std::ops::Range;

use crate::encode::decimal::Limbs;

/// Memory for conversions, kept between values.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(super) limbs: Limbs,
    pub(super) element: Vec<u8>,
    pub(super) members: Members,
    /// Text that is assembled from parts.
    pub(crate) text: Vec<u8>,
}

/// Members of a JSON object, to be sorted.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// Java's hash of each key, and the range of the member in `text`.
    pub(super) places: Vec<(u32, Range<usize>)>,
    pub(super) text: Vec<u8>,
}
