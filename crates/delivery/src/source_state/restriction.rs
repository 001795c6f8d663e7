//! What a publication leaves out of a table: rows by a row filter, columns by a column list.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Row filter and column list of a published table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restriction {
    /// Row filter, as the server prints it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Numbers of the columns of the column list. A column keeps its number when it is renamed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<BTreeSet<i16>>,
}

/// Part of a restriction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestrictedBy {
    /// Row filter.
    Filter,
    /// Column list.
    Columns,
    /// Row filter and column list.
    Both,
}

impl fmt::Display for RestrictedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Filter => "a row filter",
            Self::Columns => "a column list",
            Self::Both => "a row filter and a column list",
        })
    }
}

impl Restriction {
    /// Part that hides what `accepted` does not hide.
    pub(crate) fn exceeds(&self, accepted: &Self) -> Option<RestrictedBy> {
        let by_filter = self.filter.is_some() && self.filter != accepted.filter;
        let by_columns = match (&self.columns, &accepted.columns) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(now), Some(then)) => !then.is_subset(now),
        };
        match (by_filter, by_columns) {
            (true, true) => Some(RestrictedBy::Both),
            (true, false) => Some(RestrictedBy::Filter),
            (false, true) => Some(RestrictedBy::Columns),
            (false, false) => None,
        }
    }

    /// Whether all rows and columns are published.
    pub(crate) fn is_empty(&self) -> bool {
        self.filter.is_none() && self.columns.is_none()
    }
}
