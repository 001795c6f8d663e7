//! Statements that write rows.

use super::generator::Generator;
use super::model::{Kind, Place, Table};
use super::step::{Effect, Statement, Write};

/// Most rows that one statement inserts.
const ROWS_MAX: usize = 3;
/// Most rows that a table is filled with at once.
const FILL_MAX: usize = 60;

impl Generator {
    /// A statement that writes rows of one of the tables.
    pub(super) fn write(&mut self) -> Option<Statement> {
        let candidates: Vec<usize> = (0..self.model.tables.len())
            .filter(|place| self.model.tables[*place].takes_rows())
            .collect();
        let place = *self.pick(&candidates)?;
        let has_rows = !self.model.tables[place].rows.is_empty();
        match self.roll(20) {
            0..=8 => Some(self.insert(place)),
            9..=13 if has_rows => self.update(place),
            14..=15 if has_rows => self.delete(place),
            16..=17 if has_rows => self.rekey(place),
            18 if has_rows && self.is_by_root => self.move_row(place),
            _ => Some(self.insert(place)),
        }
    }

    /// Inserts some rows.
    pub(super) fn insert(&mut self, place: usize) -> Statement {
        let count = 1 + self.roll(ROWS_MAX);
        self.insert_rows(place, count)
    }

    /// Inserts many rows.
    pub(super) fn fill(&mut self, place: usize) -> Statement {
        let count = 1 + self.roll(FILL_MAX);
        self.insert_rows(place, count)
    }

    fn insert_rows(&mut self, place: usize, count: usize) -> Statement {
        let table = self.model.tables[place].clone();
        let mut names = vec!["id".to_owned()];
        if table.has_part {
            names.push("part".to_owned());
        }
        names.extend(table.columns.iter().map(|column| column.name.clone()));
        let mut rows = Vec::new();
        for _ in 0..count {
            let id = self.model.new_id();
            let part = self.part_of(&table);
            let mut values = vec![id.to_string()];
            if table.has_part {
                values.push(part.to_string());
            }
            for column in &table.columns {
                values.push(self.value(column.kind, column.is_nullable));
            }
            rows.push(format!("({})", values.join(", ")));
            self.model.tables[place].rows.push(Place { id, part });
        }
        let target = table.full();
        let sql = format!(
            "INSERT INTO {target} AS t ({}) VALUES {}",
            names.join(", "),
            rows.join(", ")
        );
        Statement::write(sql, Write::Insert)
    }

    /// A value of `part` that the table accepts.
    fn part_of(&mut self, table: &Table) -> i64 {
        let parts: Vec<i64> = match &table.partitions {
            Some(partitions) => partitions.iter().map(|one| one.part).collect(),
            None => vec![table.part],
        };
        self.pick(&parts).copied().unwrap_or_default()
    }

    fn update(&mut self, place: usize) -> Option<Statement> {
        let table = self.model.tables[place].clone();
        let column = self.pick(&table.columns)?.clone();
        let value = self.value(column.kind, column.is_nullable);
        let set = format!("{} = {value}", column.name);
        let (target, filter) = self.some_row(&table)?;
        // Every row at once, now and then.
        let filter = if self.one_in(5) { String::new() } else { filter };
        Some(Statement::write(
            format!("UPDATE {target} AS t SET {set}{filter}"),
            Write::Update,
        ))
    }

    fn delete(&mut self, place: usize) -> Option<Statement> {
        let table = self.model.tables[place].clone();
        let row = *self.pick(&table.rows)?;
        self.model.tables[place].rows.retain(|one| one.id != row.id);
        let sql = format!("DELETE FROM {} AS t WHERE id = {}", table.full(), row.id);
        Some(Statement::write(sql, Write::Delete))
    }

    fn rekey(&mut self, place: usize) -> Option<Statement> {
        let table = self.model.tables[place].clone();
        let row = *self.pick(&table.rows)?;
        let id = self.model.new_id();
        let moved = self.model.tables[place].rows.iter_mut();
        moved.filter(|one| one.id == row.id).for_each(|one| one.id = id);
        let sql = format!("UPDATE {} AS t SET id = {id} WHERE id = {}", table.full(), row.id);
        Some(Statement::write(sql, Write::Rekey(row.id)))
    }

    /// Moves a row to another partition.
    fn move_row(&mut self, place: usize) -> Option<Statement> {
        let table = self.model.tables[place].clone();
        let partitions = table.partitions.as_ref()?;
        let row = *self.pick(&table.rows)?;
        let to = self.pick(partitions)?.part;
        let moved = self.model.tables[place].rows.iter_mut();
        moved.filter(|one| one.id == row.id).for_each(|one| one.part = to);
        let sql = format!(
            "UPDATE {} AS t SET part = {to} WHERE id = {}",
            table.full(),
            row.id
        );
        Some(Statement::write(sql, Write::Rekey(row.id)))
    }

    /// A row of a table as target and filter: addressed through the table, or through its partition.
    fn some_row(&mut self, table: &Table) -> Option<(String, String)> {
        let row = *self.pick(&table.rows)?;
        let partition = table.partitions.iter().flatten().find(|one| one.part == row.part);
        let target = match partition {
            Some(partition) if self.one_in(2) => format!("{}.{}", table.schema, partition.name),
            _ => table.full(),
        };
        Some((target, format!(" WHERE id = {}", row.id)))
    }

    /// Removes all rows of a table or of a partition at once.
    pub(super) fn truncate(&mut self) -> Option<Vec<Statement>> {
        let place = self.some_table()?;
        let table = self.model.tables[place].clone();
        let name = match &table.partitions {
            Some(partitions) if self.one_in(2) => {
                let partition = self.pick(partitions)?.clone();
                let rows = &mut self.model.tables[place].rows;
                rows.retain(|row| row.part != partition.part);
                format!("{}.{}", table.schema, partition.name)
            }
            _ => {
                self.model.tables[place].rows.clear();
                table.full()
            }
        };
        let sql = format!("TRUNCATE {name}");
        Some(vec![Statement::define(sql, vec![Effect::Gone(name)])])
    }

    /// A value of a type as SQL.
    pub(super) fn value(&mut self, kind: Kind, is_nullable: bool) -> String {
        if is_nullable && self.one_in(6) {
            return "NULL".to_owned();
        }
        let number = i64::try_from(self.roll(200_000)).unwrap_or_default() - 100_000;
        match kind {
            Kind::Int | Kind::BigInt => number.to_string(),
            Kind::Boolean => (number % 2 == 0).to_string(),
            Kind::Text => {
                let words = [
                    "plain",
                    "with ''quotes''",
                    "ünïcode ✓",
                    "",
                    "back\\slash",
                    "{\"a\": 1}",
                ];
                format!("'{} {number}'", self.pick(&words).copied().unwrap_or_default())
            }
            Kind::Price => format!("{}.{:02}", number, number.unsigned_abs() % 100),
            Kind::Number => {
                let digits = self.roll(6);
                format!("{number}.{:0digits$}", 0)
                    .trim_end_matches('.')
                    .to_owned()
            }
            Kind::Ints => format!("'{{{number},NULL,7}}'"),
            Kind::Texts => format!("'{{a,\"b {number}\",NULL}}'"),
            Kind::Own(own) => self.own_value(own),
            Kind::Owns(own) => {
                let value = self.own_value(own);
                format!("ARRAY[{value}]::{}", self.model.sql(kind))
            }
        }
    }

    fn own_value(&mut self, own: usize) -> String {
        match self.model.types[own].labels.clone() {
            Some(labels) => format!("'{}'", self.pick(&labels).cloned().unwrap_or_default()),
            None => format!("{}.50", self.roll(1000)),
        }
    }
}
