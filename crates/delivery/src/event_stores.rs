//! Order of the streams of event stores: which versions are proved to follow each other, and what violates the order.

pub(crate) mod last_versions;
pub(crate) mod state;
#[cfg(test)]
mod tests;
