//! In which file a table lies, and what is undone when the server loses the log of a change of that.

use walcast_pgoutput::{Lsn, Oid, Tid};

use super::{Database, PLACES, REWRITE_BYTES, tid_of};

/// Numbers of files that tables get later.
const FILES_FROM: u32 = 10_000;

/// A table came to lie in another file: what is undone when the server loses the log of it.
pub(super) struct Move {
    /// The end of its log.
    end: Lsn,
    table: Oid,
    /// The file before.
    file: Oid,
    /// Where the versions of its rows lay before.
    places: Vec<(u64, Tid)>,
}

impl Database {
    /// A table lies in another file from now on; `places` is where its rows lay before, if they are at others now.
    pub(super) fn refile(&mut self, oid: Oid, end: Lsn, places: Vec<(u64, Tid)>) {
        self.files_made += 1;
        let file = Oid::new(oid.as_u32() + FILES_FROM + self.files_made);
        let before = self.put_into(oid, file);
        self.moves.push(Move {
            end,
            table: oid,
            file: before,
            places,
        });
    }

    /// Puts a table into a file, and returns the one in which it was.
    fn put_into(&mut self, oid: Oid, file: Oid) -> Oid {
        let mut tables = self.tables.iter_mut();
        let table = tables.find(|table| table.oid == oid).expect("the table exists");
        std::mem::replace(&mut table.file, file)
    }

    /// Moves all rows of a table to other places, in another file. A snapshot that was taken before does not show them any more.
    pub(crate) fn rewrite(&mut self, table: Oid, by: u64) {
        if self.is_locked(table) || self.is_held || self.is_away {
            return;
        }
        let mut versions: Vec<u64> = self.rows.of(table).map(|(_, version)| version).collect();
        let count = u64::try_from(versions.len())
            .expect("tables here are small")
            .max(1);
        versions.rotate_left(usize::try_from(by % count).expect("tables here are small"));
        let mut before = Vec::new();
        for (place, version) in (0..PLACES).zip(versions) {
            let moved = self.places.insert(version, tid_of(place));
            before.push((version, moved.expect("every version has a place")));
        }
        self.altered.insert(table, self.wal_end);
        self.write_elsewhere(REWRITE_BYTES);
        self.refile(table, self.wal_end, before);
    }

    /// Tables lie where they lay before the log behind `lsn`.
    pub(super) fn undo_moves(&mut self, lsn: Lsn) {
        while let Some(undone) = self.moves.pop_if(|one| one.end > lsn) {
            self.put_into(undone.table, undone.file);
            self.places.extend(undone.places);
        }
    }
}
