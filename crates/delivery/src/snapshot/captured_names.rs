//! Names of the tables that remain to be read: the progress finds a table by its OID, and names it as the stream does.

use std::collections::BTreeMap;

use tracing::warn;
use walcast_mapper::TableName;
use walcast_pgoutput::Oid;

use crate::snapshot::progress::{SnapshotProgress, TableProgress};
use crate::source_state::CapturedNames;

impl TableProgress {
    /// Whether this is the progress of a table, given by its OID, and by its name if an earlier version stored the progress.
    pub(crate) fn is_of(&self, oid: Oid, name: &TableName) -> bool {
        self.oid.map_or(self.is(name), |known| known == oid.as_u32())
    }
}

impl SnapshotProgress {
    /// Gives each table the name that it has now, and its OID if that was not known. Removes and returns the former names of tables
    /// whose names other captured tables have now: they were dropped, or renamed to names that are not captured.
    pub(crate) fn follow_names(&mut self, captured: &CapturedNames) -> Vec<TableName> {
        let oids: BTreeMap<&TableName, u32> =
            captured.iter().map(|(oid, name)| (name, oid.as_u32())).collect();
        for table in &mut self.tables {
            match table.oid.map(|oid| captured.get(&Oid::new(oid))) {
                None => table.oid = oids.get(&table.table()).copied(),
                Some(Some(name)) if !table.is(name) => {
                    table.namespace.clone_from(&name.namespace);
                    table.name.clone_from(&name.name);
                }
                Some(_) => {}
            }
        }
        let is_replaced = |table: &TableProgress| {
            let named = oids.get(&table.table());
            named.is_some_and(|oid| table.oid != Some(*oid))
        };
        let replaced: Vec<TableName> = self
            .tables
            .iter()
            .filter(|table| is_replaced(table))
            .map(TableProgress::table)
            .collect();
        if !replaced.is_empty() {
            self.tables.retain(|table| !is_replaced(table));
            self.paused &= self.tables.iter().any(|table| !table.unread);
            self.end_marks();
        }
        for table in &replaced {
            warn!(
                %table,
                "rows of a table are skipped: another table has its name now, and it was dropped, or renamed to a name that is not captured"
            );
        }
        replaced
    }
}

#[cfg(test)]
mod tests {
    use walcast_mapper::TableName;
    use walcast_pgoutput::Oid;

    use crate::snapshot::progress::{SnapshotProgress, TableProgress};
    use crate::source_state::CapturedNames;

    fn table(name: &str) -> TableName {
        TableName {
            namespace: "public".to_owned(),
            name: name.to_owned(),
        }
    }

    fn captured(names: &[(u32, &str)]) -> CapturedNames {
        let names = names.iter();
        names.map(|(oid, name)| (Oid::new(*oid), table(name))).collect()
    }

    fn left(progress: &SnapshotProgress) -> Vec<(Option<u32>, &str)> {
        let tables = progress.tables.iter();
        tables.map(|table| (table.oid, table.name.as_str())).collect()
    }

    /// Progress of tables `a` and `b` with the OIDs 1 and 2.
    fn progress() -> SnapshotProgress {
        let mut progress = SnapshotProgress::of([table("a"), table("b")]);
        assert!(progress.follow_names(&captured(&[(1, "a"), (2, "b")])).is_empty());
        assert_eq!(left(&progress), [(Some(1), "a"), (Some(2), "b")]);
        progress
    }

    #[test]
    fn a_renamed_table_keeps_its_progress() {
        let mut progress = progress();
        progress.tables[0].rows = 7;
        assert!(progress.follow_names(&captured(&[(1, "c"), (2, "b")])).is_empty());
        assert_eq!(left(&progress), [(Some(1), "c"), (Some(2), "b")]);
        assert_eq!(progress.tables[0].rows, 7);
    }

    #[test]
    fn exchanged_names_are_distinguished() {
        let mut progress = progress();
        assert!(progress.follow_names(&captured(&[(1, "b"), (2, "a")])).is_empty());
        assert_eq!(left(&progress), [(Some(1), "b"), (Some(2), "a")]);
    }

    /// A table of which nothing is known stays: it may be renamed to a captured name later.
    #[test]
    fn a_table_is_replaced_by_one_with_its_name_only() {
        let mut progress = progress();
        assert!(progress.follow_names(&captured(&[(2, "b")])).is_empty());
        assert_eq!(left(&progress), [(Some(1), "a"), (Some(2), "b")]);
        progress.paused = true;
        assert_eq!(progress.follow_names(&captured(&[(2, "a")])), [table("a")]);
        assert_eq!(left(&progress), [(Some(2), "a")]);
        assert_eq!(progress.follow_names(&captured(&[(3, "a")])), [table("a")]);
        assert!(progress.tables.is_empty() && !progress.paused);
    }

    #[test]
    fn progress_without_an_oid_is_found_by_name() {
        let stored = r#"{"namespace":"public","name":"a"}"#;
        let old: TableProgress = serde_json::from_str(stored).unwrap();
        assert!(old.is_of(Oid::new(1), &table("a")) && !old.is_of(Oid::new(1), &table("b")));
        let new = TableProgress { oid: Some(1), ..old };
        assert!(new.is_of(Oid::new(1), &table("b")) && !new.is_of(Oid::new(2), &table("a")));
        assert_eq!(
            serde_json::to_string(&new).unwrap(),
            r#"{"namespace":"public","name":"a","oid":1}"#
        );
    }
}
