//! Release of Debezium whose records are written.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Release of Debezium whose schemas and fields records have. Releases between two of these have the fields of one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DebeziumVersion {
    /// 3.3, and 3.4.
    #[default]
    #[serde(rename = "3.3")]
    V3_3,
    /// 3.6, and 3.5: the `source` block has the replication origin of the transaction.
    #[serde(rename = "3.6")]
    V3_6,
}

/// First release, as major and minor number, whose `source` block has the replication origin.
const WITH_ORIGIN: (u32, u32) = (3, 5);

impl DebeziumVersion {
    /// Version with the fields of a release, of which only the major and the minor number count (`3.5.2.Final`); `None` if the
    /// text does not begin with both.
    #[must_use]
    pub fn of_release(release: &str) -> Option<Self> {
        let mut numbers = release.trim().split('.').map(str::parse::<u32>);
        let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
            return None;
        };
        Some(match (major, minor) >= WITH_ORIGIN {
            true => Self::V3_6,
            false => Self::V3_3,
        })
    }

    /// The version in configurations.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V3_3 => "3.3",
            Self::V3_6 => "3.6",
        }
    }
}

impl fmt::Display for DebeziumVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::DebeziumVersion;

    #[test]
    fn every_release_has_the_fields_of_a_version() {
        let version = DebeziumVersion::of_release;
        for release in ["2.7.4.Final", "3.3.1.Final", "3.4.3.Final"] {
            assert_eq!(version(release), Some(DebeziumVersion::V3_3), "{release}");
        }
        for release in ["3.5.0.Final", "3.6.0.Final", "3.10.0.CR1", "4.0.0.Alpha1", "3.6"] {
            assert_eq!(version(release), Some(DebeziumVersion::V3_6), "{release}");
        }
        for other in ["", "3", "unknown", "[3.5,4.0)", "3.x"] {
            assert_eq!(version(other), None, "{other}");
        }
    }
}
