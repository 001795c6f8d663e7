//! Remedies: the command or the setting that resolves an error of the libraries.
//!
//! The libraries report what happened as typed errors; they know neither the commands of this program nor the keys of its
//! configuration. This module adds both where an error is shown.

mod chain;
mod delivery;
mod kafka;
mod mapper;
mod postgres;
mod retention;
mod setting;

use std::error::Error;

use walcast_delivery::one_line;

pub(crate) use self::chain::causes;
pub(crate) use self::retention::retention_text;
pub(crate) use self::setting::setting_name;

/// Remedy for an error: that of the first of its causes which has one.
pub(crate) fn remedy(error: &(dyn Error + 'static)) -> Option<String> {
    causes(error).find_map(|cause| {
        delivery::remedy(cause)
            .or_else(|| mapper::remedy(cause))
            .or_else(|| postgres::remedy(cause))
            .or_else(|| kafka::remedy(cause))
    })
}

/// Error, its causes and its remedy on one line.
pub(crate) fn describe(error: &(dyn Error + 'static)) -> String {
    let line = one_line(error);
    match remedy(error) {
        Some(remedy) => format!("{line}; {remedy}"),
        None => line,
    }
}
