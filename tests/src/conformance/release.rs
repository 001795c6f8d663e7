//! The Debezium release beside which scenarios are played.

use std::fmt;

use walcast_testbed::debezium_version;

/// A release of Debezium: its connector runs, and walcast writes its fields (`format.debezium_version`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Release {
    /// The release whose fields are written by default.
    #[default]
    V3_3,
    /// The latest one.
    V3_6,
}

impl Release {
    /// All releases, oldest first.
    pub const ALL: [Release; 2] = [Release::V3_3, Release::V3_6];

    /// Major and minor number, as `format.debezium_version` has them.
    pub fn number(self) -> &'static str {
        match self {
            Release::V3_3 => "3.3",
            Release::V3_6 => "3.6",
        }
    }

    /// The release with this number.
    pub fn parse(number: &str) -> Option<Release> {
        Release::ALL
            .into_iter()
            .find(|release| release.number() == number)
    }

    /// Version of the connector's package.
    pub fn version(self) -> &'static str {
        debezium_version(self.number()).unwrap_or_else(|error| panic!("{error}"))
    }
}

impl fmt::Display for Release {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.version())
    }
}
