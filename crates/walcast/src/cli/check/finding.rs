//! One line of `walcast check`.

use serde::Serialize;
use walcast_delivery::{Fix, Precondition, PreconditionOutcome};

use crate::remedy::{describe, setting_name};

/// Result of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(in crate::cli) struct Finding {
    /// Name, such as `kafka brokers`.
    pub(in crate::cli) name: String,
    pub(in crate::cli) ok: bool,
    /// Whether the check passed, but its result needs attention.
    pub(in crate::cli) warning: bool,
    /// Observed state, or the fault and its fix.
    pub(in crate::cli) detail: String,
}

impl From<Precondition> for Finding {
    fn from(found: Precondition) -> Self {
        let ok = found.is_met();
        let with_fix = |found: String, fix: &Fix| format!("{found}; {}", fix.render(setting_name));
        let (warning, detail) = match found.outcome {
            PreconditionOutcome::Holds(found) => (false, found),
            PreconditionOutcome::Advised { found, fix } => (false, with_fix(found, &fix)),
            PreconditionOutcome::Warned { found, fix } => (true, with_fix(found, &fix)),
            PreconditionOutcome::Failed { found, fix } => (false, with_fix(found, &fix)),
            PreconditionOutcome::Error(error) => (false, describe(&*error)),
        };
        Self {
            name: found.name,
            ok,
            warning,
            detail,
        }
    }
}
