//! The relfilenodes of tables, and their restoration when the server loses the WAL of a rewrite.

use walcast_pgoutput::{Lsn, Oid, Tid};

use super::{CTIDS, Database, REWRITE_BYTES, tid_of};

/// Offset of the relfilenodes of rewritten tables.
const FILES_FROM: u32 = 10_000;

/// A table got a new relfilenode: the state to restore if the server loses the WAL of the rewrite.
pub(super) struct Relocation {
    /// End of its WAL.
    end: Lsn,
    table: Oid,
    /// Previous relfilenode.
    file: Oid,
    /// Previous ctids of its rows.
    places: Vec<(u64, Tid)>,
}

impl Database {
    /// Gives a table a new relfilenode; `places` are the previous ctids of its rows, if they have changed.
    pub(super) fn change_file(&mut self, oid: Oid, end: Lsn, places: Vec<(u64, Tid)>) {
        self.last_file += 1;
        let file = Oid::new(oid.as_u32() + FILES_FROM + self.last_file);
        let before = self.set_file(oid, file);
        self.relocations.push(Relocation {
            end,
            table: oid,
            file: before,
            places,
        });
    }

    /// Sets the relfilenode of a table, and returns the previous one.
    fn set_file(&mut self, oid: Oid, file: Oid) -> Oid {
        let mut tables = self.tables.iter_mut();
        let table = tables.find(|table| table.oid == oid).expect("the table exists");
        std::mem::replace(&mut table.file, file)
    }

    /// Moves all rows of a table to other ctids in a new relfilenode. Earlier snapshots no longer show them.
    pub(crate) fn rewrite(&mut self, table: Oid, by: u64) {
        if self.is_locked(table) || self.is_read_only || self.is_unavailable {
            return;
        }
        let mut versions: Vec<u64> = self.rows.of(table).map(|(_, version)| version).collect();
        let count = u64::try_from(versions.len())
            .expect("tables here are small")
            .max(1);
        versions.rotate_left(usize::try_from(by % count).expect("tables here are small"));
        let mut before = Vec::new();
        for (place, version) in (0..CTIDS).zip(versions) {
            let moved = self.places.insert(version, tid_of(place));
            before.push((version, moved.expect("every version has a ctid")));
        }
        self.altered.insert(table, self.wal_end);
        self.write_unrelated_wal(REWRITE_BYTES);
        self.change_file(table, self.wal_end, before);
    }

    /// Restores the relfilenodes and ctids as of `lsn`.
    pub(super) fn undo_relocations(&mut self, lsn: Lsn) {
        while let Some(undone) = self.relocations.pop_if(|one| one.end > lsn) {
            self.set_file(undone.table, undone.file);
            self.places.extend(undone.places);
        }
    }
}
