//! `walcast verify`: compares the source with the topics at one position.

mod args;
mod compacted;
mod compared;
mod details;
mod every;
mod fence;
mod job_metrics;
mod recheck;
mod records;
mod repair;
mod report;
mod request;
mod run;
mod transaction_events;
mod units;
mod whole_transactions;

pub(crate) use self::args::VerifyArgs;
pub(crate) use self::run::verify;
