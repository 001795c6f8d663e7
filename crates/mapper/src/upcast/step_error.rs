//! Errors in steps.

/// Error in a step.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// The step has no operation, or several.
    #[error("a step has one of rename, default, move, split, retype and drop")]
    Operation,
    /// The step does not have the keys of its operation.
    #[error("a step with {0} has {1} beside it, and no other key")]
    Keys(&'static str, &'static str),
    /// A path names no member.
    #[error("{0:?} is no path of a member, such as customer.name, or lines[].sku in each item of an array")]
    Path(String),
    /// A member would move from or to each item of an array.
    #[error("a step with move has paths without []: a member has one place")]
    Move,
    /// A value is a date or time, which JSON does not have.
    #[error("the value of a default is a date or time of TOML, which JSON does not have: write it in quotes")]
    Date,
}
