//! `walcast verify`: compares the source with the topics at one position.

mod args;
mod compared;
mod details;
mod fence;
mod recheck;
mod records;
mod report;
mod run;

pub(crate) use self::args::VerifyArgs;
pub(crate) use self::run::verify;
