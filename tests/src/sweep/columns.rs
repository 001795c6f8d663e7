//! Definitions of columns.

use super::generator::Generator;
use super::model::{Column, Kind};
use super::step::{Effect, Statement, Write};

/// Most columns of a table beside `id` and `part`.
const COLUMNS_MAX: usize = 6;

impl Generator {
    /// A column of a table, with the definition of its type if that is new.
    pub(super) fn new_column(&mut self) -> (Column, Option<Statement>) {
        let name = self.model.new_name("c");
        let (kind, before) = self.some_kind();
        let is_nullable = !self.one_in(4);
        let column = Column {
            name,
            kind,
            is_nullable,
        };
        (column, before)
    }

    fn some_kind(&mut self) -> (Kind, Option<Statement>) {
        let plain = [
            Kind::Int,
            Kind::BigInt,
            Kind::Text,
            Kind::Boolean,
            Kind::Price,
            Kind::Number,
            Kind::Ints,
            Kind::Texts,
        ];
        if self.one_in(3) {
            return self.some_own_kind();
        }
        (self.pick(&plain).copied().unwrap_or(Kind::Text), None)
    }

    pub(super) fn column_sql(&mut self, column: &Column) -> String {
        let kind = self.model.sql(column.kind);
        let not_null = if column.is_nullable { "" } else { " NOT NULL" };
        format!("{} {kind}{not_null}", column.name)
    }

    pub(super) fn add_column(&mut self) -> Option<Vec<Statement>> {
        let place = self.table_that(|table| table.columns.len() < COLUMNS_MAX)?;
        let (column, before) = self.new_column();
        let mut statements: Vec<Statement> = before.into_iter().collect();
        let full = self.model.tables[place].full();
        let mut sql = format!("ALTER TABLE {full} ADD COLUMN {}", self.column_sql(&column));
        if !column.is_nullable || self.one_in(3) {
            let default = self.value(column.kind, false);
            sql = format!("{sql} DEFAULT {default}");
        }
        self.model.tables[place].columns.push(column);
        statements.push(Statement::define(sql, vec![Effect::Reshapes(full)]));
        Some(statements)
    }

    pub(super) fn drop_column(&mut self) -> Option<Vec<Statement>> {
        let place = self.table_that(|table| table.columns.len() > 1)?;
        let columns = self.model.tables[place].columns.len();
        let column = self.roll(columns);
        let column = self.model.tables[place].columns.remove(column);
        let full = self.model.tables[place].full();
        let sql = format!("ALTER TABLE {full} DROP COLUMN {}", column.name);
        Some(vec![Statement::define(sql, vec![Effect::Reshapes(full)])])
    }

    pub(super) fn rename_column(&mut self) -> Option<Vec<Statement>> {
        let (place, column) = self.some_column()?;
        let name = self.model.new_name("c");
        let table = &mut self.model.tables[place];
        let full = table.full();
        let before = std::mem::replace(&mut table.columns[column].name, name.clone());
        let sql = format!("ALTER TABLE {full} RENAME COLUMN {before} TO {name}");
        Some(vec![Statement::define(sql, vec![Effect::Reshapes(full)])])
    }

    /// A column gets a type that takes its values.
    pub(super) fn retype_column(&mut self) -> Option<Vec<Statement>> {
        let (place, column) = self.some_column()?;
        let known = self.model.tables[place].columns[column].kind;
        let kind = match known {
            Kind::Int if self.one_in(2) => Kind::BigInt,
            Kind::Int | Kind::BigInt => Kind::Number,
            Kind::Price => Kind::Number,
            Kind::Text => return None,
            _ => Kind::Text,
        };
        let sql_kind = self.model.sql(kind);
        let table = &mut self.model.tables[place];
        table.columns[column].kind = kind;
        let (full, name) = (table.full(), table.columns[column].name.clone());
        let sql = format!(
            "ALTER TABLE {full} ALTER COLUMN {name} DROP DEFAULT, ALTER COLUMN {name} TYPE {sql_kind} USING {name}::{sql_kind}"
        );
        Some(vec![Statement::define(sql, vec![Effect::Reshapes(full)])])
    }

    /// A column must not be null any more, or may be, or gets a default.
    pub(super) fn constrain_column(&mut self) -> Option<Vec<Statement>> {
        let (place, column) = self.some_column()?;
        let Column {
            name,
            kind,
            is_nullable,
        } = self.model.tables[place].columns[column].clone();
        let full = self.model.tables[place].full();
        let is_default = self.one_in(3);
        let value = self.value(kind, false);
        let alter = format!("ALTER TABLE {full} ALTER COLUMN {name}");
        let define = |action: String| Statement::define(format!("{alter} {action}"), Vec::new());
        let accepts_null = &mut self.model.tables[place].columns[column].is_nullable;
        if is_default {
            return Some(vec![define(format!("SET DEFAULT {value}"))]);
        }
        *accepts_null = !is_nullable;
        if !is_nullable {
            return Some(vec![define("DROP NOT NULL".to_owned())]);
        }
        // The application fills the column first.
        let update = format!("UPDATE {full} AS t SET {name} = {value} WHERE {name} IS NULL");
        Some(vec![
            Statement::write(update, Write::Update),
            define("SET NOT NULL".to_owned()),
        ])
    }

    /// A column of any table: the places of both.
    fn some_column(&mut self) -> Option<(usize, usize)> {
        let place = self.table_that(|table| !table.columns.is_empty())?;
        let columns = self.model.tables[place].columns.len();
        Some((place, self.roll(columns)))
    }
}
