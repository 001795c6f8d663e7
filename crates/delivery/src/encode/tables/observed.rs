//! Contradictions between rows and the catalog.

use std::collections::{BTreeSet, HashSet};

use walcast_mapper::{MapError, TableMetadata};
use walcast_pgoutput::Oid;

/// What rows of a relation contain although the catalog excludes it: the catalog is later than the rows.
#[derive(Debug, Default)]
pub(super) struct Observed {
    /// Columns that are null in a row and `NOT NULL` in the catalog.
    nulls: HashSet<String>,
    /// Enum types of which a row has a label that the catalog does not list.
    former_labels: BTreeSet<Oid>,
}

impl Observed {
    /// Adds what an error says; false if that is not the first time. `is_repeated`: whether the plan was just compiled from
    /// the catalog, which then does not have the label any more.
    pub(super) fn add(&mut self, error: &MapError, is_repeated: bool) -> bool {
        match error {
            MapError::NullInNotNull { column, .. } => self.nulls.insert(column.clone()),
            MapError::UnknownEnumLabel { type_oid, .. } if is_repeated => {
                self.former_labels.insert(*type_oid)
            }
            MapError::UnknownEnumLabel { .. } => true,
            _ => false,
        }
    }

    pub(super) fn apply(&self, metadata: &mut TableMetadata) {
        for column in &mut metadata.columns {
            if self.nulls.contains(&column.name) {
                column.not_null = false;
            }
        }
        metadata.former_labels.extend(self.former_labels.iter().copied());
    }
}
