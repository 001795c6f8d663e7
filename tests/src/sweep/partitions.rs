//! Definitions of partitions: created, filled and attached, detached, dropped.

use super::generator::Generator;
use super::model::{CAPTURED, Key, Partition, Table};
use super::step::{Effect, Statement};

/// Most partitions of a table.
const PARTITIONS_MAX: usize = 5;
/// Values of `part` of a table.
const PARTS: i64 = 8;

impl Generator {
    /// A definition that concerns partitions.
    pub(super) fn partition(&mut self) -> Option<Vec<Statement>> {
        match self.roll(6) {
            0 => self.create_partition(),
            1 => self.create_to_attach(),
            2 | 3 => self.attach(),
            4 => self.detach(),
            _ => self.drop_partition(),
        }
    }

    /// A partitioned table with fewer partitions than it may have, and a value of `part` that none has.
    fn free_part(&mut self) -> Option<(usize, i64)> {
        let place = self.table_that(|table| {
            let partitions = table.partitions.as_ref();
            partitions.is_some_and(|partitions| partitions.len() < PARTITIONS_MAX)
        })?;
        let taken = self.model.tables[place].partitions.clone()?;
        let free: Vec<i64> = (0..PARTS)
            .filter(|part| taken.iter().all(|one| one.part != *part))
            .collect();
        Some((place, *self.pick(&free)?))
    }

    fn create_partition(&mut self) -> Option<Vec<Statement>> {
        let (place, part) = self.free_part()?;
        let name = self.model.new_name("p");
        let full = self.model.tables[place].full();
        let leaf = format!("{CAPTURED}.{name}");
        let sql = format!("CREATE TABLE {leaf} PARTITION OF {full} FOR VALUES IN ({part})");
        let partitions = self.model.tables[place].partitions.as_mut()?;
        partitions.push(Partition { name, part });
        let mut statements = vec![Statement::define(sql, Vec::new())];
        statements.extend(self.give_away(&leaf));
        Some(statements)
    }

    /// A filled table with the columns of a partitioned one.
    fn create_to_attach(&mut self) -> Option<Vec<Statement>> {
        let (place, part) = self.free_part()?;
        let like = self.model.tables[place].clone();
        let name = self.model.new_name("p");
        let full = format!("{CAPTURED}.{name}");
        let including = if self.one_in(3) { "DEFAULTS" } else { "ALL" };
        let sql = format!("CREATE TABLE {full} (LIKE {} INCLUDING {including})", like.full());
        let key = if including == "ALL" {
            Key::Primary(format!("{name}_pkey"))
        } else {
            Key::Absent
        };
        self.model.tables.push(Table {
            name,
            key,
            part,
            rows: Vec::new(),
            partitions: None,
            ..like
        });
        let mut statements = vec![Statement::define(sql, Vec::new())];
        statements.extend(self.give_away(&full));
        statements.push(self.fill(self.model.tables.len() - 1));
        Some(statements)
    }

    /// A table with the columns of a partitioned one becomes its partition.
    fn attach(&mut self) -> Option<Vec<Statement>> {
        let root = self.table_that(Table::is_partitioned)?;
        let columns = self.model.tables[root].columns.clone();
        let taken = self.model.tables[root].partitions.clone()?;
        let leaf = self.table_that(|table| {
            table.has_part
                && !table.is_partitioned()
                && table.schema == CAPTURED
                && table.columns == columns
                && taken.iter().all(|one| one.part != table.part)
        })?;
        let leaf = self.model.tables.remove(leaf);
        // Removing one moves the places of those behind it.
        let root = self.table_that(|table| table.columns == columns && table.is_partitioned())?;
        let root = &mut self.model.tables[root];
        let sql = format!(
            "ALTER TABLE {} ATTACH PARTITION {} FOR VALUES IN ({})",
            root.full(),
            leaf.full(),
            leaf.part
        );
        root.rows.extend(&leaf.rows);
        root.partitions.as_mut()?.push(Partition {
            name: leaf.name.clone(),
            part: leaf.part,
        });
        let effects = vec![Effect::Departs(leaf.full()), Effect::Arrives(leaf.full())];
        Some(vec![Statement::define(sql, effects)])
    }

    fn detach(&mut self) -> Option<Vec<Statement>> {
        let (place, partition) = self.some_partition()?;
        let table = &mut self.model.tables[place];
        let leaf = format!("{CAPTURED}.{}", partition.name);
        let sql = format!("ALTER TABLE {} DETACH PARTITION {leaf}", table.full());
        let (gone, kept) = table
            .rows
            .iter()
            .copied()
            .partition(|row| row.part == partition.part);
        table.rows = kept;
        let detached = Table {
            name: partition.name.clone(),
            key: Key::Primary(format!("{}_pkey", partition.name)),
            rows: gone,
            part: partition.part,
            partitions: None,
            ..table.clone()
        };
        self.model.tables.push(detached);
        let effects = vec![Effect::Departs(leaf.clone()), Effect::Arrives(leaf)];
        Some(vec![Statement::define(sql, effects)])
    }

    fn drop_partition(&mut self) -> Option<Vec<Statement>> {
        let (place, partition) = self.some_partition()?;
        let table = &mut self.model.tables[place];
        table.rows.retain(|row| row.part != partition.part);
        let leaf = format!("{CAPTURED}.{}", partition.name);
        let sql = format!("DROP TABLE {leaf}");
        Some(vec![Statement::define(sql, vec![Effect::Gone(leaf)])])
    }

    /// Takes a partition out of the model; the last one stays.
    fn some_partition(&mut self) -> Option<(usize, Partition)> {
        let place = self.table_that(|table| {
            let partitions = table.partitions.as_ref();
            partitions.is_some_and(|partitions| partitions.len() > 1)
        })?;
        let count = self.model.tables[place].partitions.as_ref()?.len();
        let which = self.roll(count);
        let partition = self.model.tables[place].partitions.as_mut()?.remove(which);
        Some((place, partition))
    }
}
