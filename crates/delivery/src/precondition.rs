//! Preconditions: what has to hold before a connector can run, in one form for every source and sink.
//!
//! A precondition names settings of the connector by [`ConnectorSetting`] and never by a key of a configuration file: the
//! program that shows the precondition knows the keys.

use std::borrow::Cow;
use std::error::Error;

/// Precondition and whether it holds.
#[derive(Debug)]
pub struct Precondition {
    /// Name of the precondition, such as `wal_level` or `kafka brokers`.
    pub name: String,
    /// Whether the precondition holds.
    pub outcome: PreconditionOutcome,
}

/// Whether a precondition holds.
#[derive(Debug)]
pub enum PreconditionOutcome {
    /// The precondition holds; the text says what was found.
    Holds(String),
    /// The precondition holds, and a change would improve it.
    Advised {
        /// State that was found.
        found: String,
        /// Change that would improve it.
        fix: Fix,
    },
    /// The precondition holds, with a risk that an operator should review.
    Warned {
        /// State that was found.
        found: String,
        /// Change that removes the risk.
        fix: Fix,
    },
    /// The precondition does not hold.
    Failed {
        /// State that was found.
        found: String,
        /// Change that makes the precondition hold.
        fix: Fix,
    },
    /// The check ended with an error, whose text says what is wrong.
    Error(Box<dyn Error + Send + Sync>),
}

/// Setting of a connector, whatever its key in a configuration file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectorSetting {
    /// Connection string of the source.
    SourceUrl,
    /// Replication slot.
    Slot,
    /// Whether the slot is a failover slot.
    Failover,
    /// Patterns of the captured tables.
    Tables,
    /// Whether changes of partitions are published as those of their table.
    Partitions,
    /// Which existing rows are read.
    SnapshotMode,
    /// Conditions by which existing rows are read.
    SnapshotFilters,
    /// Role that reads existing rows.
    SnapshotUser,
    /// Connection string of the standby from which existing rows are read.
    StandbyUrl,
    /// Keys of records.
    Keys,
    /// Size of the disk that holds `pg_wal`.
    WalDiskSize,
}

/// Change that makes a precondition hold: a statement, a server setting, or a setting of the connector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fix(Vec<FixPart>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum FixPart {
    Text(Cow<'static, str>),
    Setting(ConnectorSetting),
}

impl Fix {
    /// Appends text.
    #[must_use]
    pub fn text(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.0.push(FixPart::Text(text.into()));
        self
    }

    /// Appends the name of a setting.
    #[must_use]
    pub fn setting(mut self, setting: ConnectorSetting) -> Self {
        self.0.push(FixPart::Setting(setting));
        self
    }

    /// Appends another fix.
    #[must_use]
    pub fn then(mut self, fix: Fix) -> Self {
        self.0.extend(fix.0);
        self
    }

    /// Text of the fix, with each setting under the name that `name` gives.
    #[must_use]
    pub fn render(&self, name: impl Fn(ConnectorSetting) -> &'static str) -> String {
        let parts = self.0.iter().map(|part| match part {
            FixPart::Text(text) => text.as_ref(),
            FixPart::Setting(setting) => name(*setting),
        });
        parts.collect()
    }
}

impl From<&'static str> for Fix {
    fn from(text: &'static str) -> Self {
        Self::default().text(text)
    }
}

impl From<String> for Fix {
    fn from(text: String) -> Self {
        Self::default().text(text)
    }
}

impl Precondition {
    /// Precondition that holds.
    pub fn holds(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(name, PreconditionOutcome::Holds(found.into()))
    }

    /// Precondition that holds, and that a change would improve.
    pub fn advised(name: impl Into<String>, found: impl Into<String>, fix: impl Into<Fix>) -> Self {
        let (found, fix) = (found.into(), fix.into());
        Self::new(name, PreconditionOutcome::Advised { found, fix })
    }

    /// Precondition that holds, with a risk that an operator should review.
    pub fn warned(name: impl Into<String>, found: impl Into<String>, fix: impl Into<Fix>) -> Self {
        let (found, fix) = (found.into(), fix.into());
        Self::new(name, PreconditionOutcome::Warned { found, fix })
    }

    /// Precondition that does not hold.
    pub fn failed(name: impl Into<String>, found: impl Into<String>, fix: impl Into<Fix>) -> Self {
        let (found, fix) = (found.into(), fix.into());
        Self::new(name, PreconditionOutcome::Failed { found, fix })
    }

    /// Precondition whose check ended with an error.
    pub fn error(name: impl Into<String>, error: impl Error + Send + Sync + 'static) -> Self {
        Self::new(name, PreconditionOutcome::Error(Box::new(error)))
    }

    fn new(name: impl Into<String>, outcome: PreconditionOutcome) -> Self {
        Self {
            name: name.into(),
            outcome,
        }
    }

    /// Whether the precondition holds.
    #[must_use]
    pub fn is_met(&self) -> bool {
        match self.outcome {
            PreconditionOutcome::Holds(_)
            | PreconditionOutcome::Advised { .. }
            | PreconditionOutcome::Warned { .. } => true,
            PreconditionOutcome::Failed { .. } | PreconditionOutcome::Error(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ConnectorSetting, Fix};

    #[test]
    fn fix_names_settings_as_the_caller_does() {
        let fix = Fix::from("drop the slot, or set ")
            .setting(ConnectorSetting::Slot)
            .text(" to another name");
        assert_eq!(
            fix.render(|_| "[postgres] slot"),
            "drop the slot, or set [postgres] slot to another name"
        );
    }
}
