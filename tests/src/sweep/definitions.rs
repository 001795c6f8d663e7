//! Definitions of tables, keys and identities.

use super::generator::Generator;
use super::model::{CAPTURED, Key, OTHER, Partition, Table};
use super::step::{Effect, OWNER, Role, Statement};

/// Most tables at a time.
const TABLES_MAX: usize = 6;

impl Generator {
    /// A definition, if the model allows the one that was chosen.
    pub(super) fn definition(&mut self) -> Option<Vec<Statement>> {
        match self.roll(40) {
            0..=4 if self.model.tables.len() < TABLES_MAX => Some(self.create_table()),
            5 => self.drop_table(),
            6..=7 => self.rename_table(),
            8 => self.swap_tables(),
            9..=10 => self.move_table(),
            11..=13 => self.add_column(),
            14..=15 => self.drop_column(),
            16 => self.rename_column(),
            17..=18 => self.retype_column(),
            19..=20 => self.constrain_column(),
            21..=22 => self.key(),
            23..=24 => self.identity(),
            25 => self.logging(),
            26 => self.truncate(),
            27..=33 => self.partition(),
            34..=37 => self.own_type(),
            38 => self.owner(),
            _ => None,
        }
    }

    /// Creates a table of any kind.
    pub(super) fn create_table(&mut self) -> Vec<Statement> {
        let schema = if self.one_in(8) { OTHER } else { CAPTURED };
        let partitioned = schema == CAPTURED && self.one_in(3);
        let mut table = Table {
            schema,
            name: self.model.new_name("t"),
            columns: Vec::new(),
            key: Key::Absent,
            is_logged: partitioned || !self.one_in(12),
            rows: Vec::new(),
            has_part: partitioned,
            part: 0,
            partitions: None,
        };
        let mut statements = Vec::new();
        for _ in 0..=self.roll(3) {
            let (column, before) = self.new_column();
            statements.extend(before);
            table.columns.push(column);
        }
        let mut parts = vec!["id int NOT NULL".to_owned()];
        if table.has_part {
            parts.push("part int NOT NULL".to_owned());
        }
        for column in &table.columns {
            parts.push(self.column_sql(column));
        }
        let has_key = table.has_part || !self.one_in(6);
        if has_key {
            let name = format!("{}_key", table.name);
            let columns = if table.has_part { "id, part" } else { "id" };
            parts.push(format!("CONSTRAINT {name} PRIMARY KEY ({columns})"));
            table.key = Key::Primary(name);
        }
        let full = table.full();
        let kind = if table.is_logged {
            "TABLE"
        } else {
            "UNLOGGED TABLE"
        };
        let by = if partitioned {
            " PARTITION BY LIST (part)"
        } else {
            ""
        };
        statements.push(Statement::define(
            format!("CREATE {kind} {full} ({}){by}", parts.join(", ")),
            Vec::new(),
        ));
        statements.extend(self.give_away(&full));
        if !has_key && self.one_in(2) {
            let sql = format!("ALTER TABLE {full} REPLICA IDENTITY FULL");
            statements.push(Statement::define(sql, Vec::new()));
        }
        if partitioned {
            let mut partitions = Vec::new();
            for part in 0..2 {
                let name = self.model.new_name("p");
                let leaf = format!("{CAPTURED}.{name}");
                let sql = format!("CREATE TABLE {leaf} PARTITION OF {full} FOR VALUES IN ({part})");
                statements.push(Statement::define(sql, Vec::new()));
                statements.extend(self.give_away(&leaf));
                partitions.push(Partition { name, part });
            }
            table.partitions = Some(partitions);
        }
        self.model.tables.push(table);
        statements
    }

    /// A new table belongs to the role that the connector is a member of, unless the application forgets it.
    pub(super) fn give_away(&mut self, table: &str) -> Option<Statement> {
        if self.role == Role::Superuser || self.one_in(8) {
            return None;
        }
        let sql = format!("ALTER TABLE {table} OWNER TO {OWNER}");
        Some(Statement::define(sql, Vec::new()))
    }

    fn owner(&mut self) -> Option<Vec<Statement>> {
        let place = self.some_table()?;
        if self.role == Role::Superuser {
            return None;
        }
        let owner = if self.one_in(2) { OWNER } else { "postgres" };
        let sql = format!("ALTER TABLE {} OWNER TO {owner}", self.model.tables[place].full());
        Some(vec![Statement::define(sql, Vec::new())])
    }

    fn drop_table(&mut self) -> Option<Vec<Statement>> {
        if self.model.tables.len() < 3 {
            return None;
        }
        let place = self.some_table()?;
        let full = self.model.tables.remove(place).full();
        let sql = format!("DROP TABLE {full}");
        Some(vec![Statement::define(sql, vec![Effect::Gone(full)])])
    }

    /// Partitioned tables keep their names: until the next connection, Postgres sends changes of their partitions under the name that
    /// the table had before.
    fn rename_table(&mut self) -> Option<Vec<Statement>> {
        let place = self.table_that(|table| !table.is_partitioned())?;
        let name = self.model.new_name("t");
        let table = &mut self.model.tables[place];
        let sql = format!("ALTER TABLE {} RENAME TO {name}", table.full());
        table.name = name;
        let effects = vec![Effect::Reshapes(table.full())];
        Some(vec![Statement::define(sql, effects)])
    }

    /// Two tables exchange their names, as migrations do.
    fn swap_tables(&mut self) -> Option<Vec<Statement>> {
        let is_renamed = |table: &Table| table.schema == CAPTURED && !table.is_partitioned();
        let first = self.table_that(is_renamed)?;
        let second = self.table_that(is_renamed)?;
        if first == second {
            return None;
        }
        let between = self.model.new_name("t");
        let names = [first, second].map(|place| self.model.tables[place].name.clone());
        let rename = |from: &str, to: &str| format!("ALTER TABLE {CAPTURED}.{from} RENAME TO {to}");
        let renames = [
            rename(&names[0], &between),
            rename(&names[1], &names[0]),
            rename(&between, &names[1]),
        ];
        self.model.tables[first].name.clone_from(&names[1]);
        self.model.tables[second].name.clone_from(&names[0]);
        let effects = names.map(|name| Effect::Reshapes(format!("{CAPTURED}.{name}")));
        let mut statements: Vec<Statement> = renames
            .into_iter()
            .map(|sql| Statement::define(sql, Vec::new()))
            .collect();
        if let Some(last) = statements.last_mut() {
            last.effects = effects.to_vec();
        }
        Some(statements)
    }

    /// A table moves into the captured schema, or out of it.
    fn move_table(&mut self) -> Option<Vec<Statement>> {
        let place = self.table_that(|table| !table.is_partitioned())?;
        let table = &mut self.model.tables[place];
        let from = table.full();
        table.schema = if table.schema == CAPTURED { OTHER } else { CAPTURED };
        let effects = vec![Effect::Departs(from.clone()), Effect::Arrives(table.full())];
        let sql = format!("ALTER TABLE {from} SET SCHEMA {}", table.schema);
        Some(vec![Statement::define(sql, effects)])
    }

    fn logging(&mut self) -> Option<Vec<Statement>> {
        let place = self.table_that(|table| !table.is_partitioned())?;
        let table = &mut self.model.tables[place];
        table.is_logged = !table.is_logged;
        let full = table.full();
        let (word, effect) = if table.is_logged {
            ("LOGGED", Effect::Arrives(full.clone()))
        } else {
            ("UNLOGGED", Effect::Departs(full.clone()))
        };
        Some(vec![Statement::define(
            format!("ALTER TABLE {full} SET {word}"),
            vec![effect],
        )])
    }

    /// A primary key is dropped or added.
    fn key(&mut self) -> Option<Vec<Statement>> {
        let place = self.table_that(|table| !table.is_partitioned())?;
        let name = self.model.new_name("key");
        let table = &mut self.model.tables[place];
        let full = table.full();
        let sql = match &table.key {
            Key::Primary(constraint) => {
                let sql = format!("ALTER TABLE {full} DROP CONSTRAINT {constraint}");
                table.key = Key::Absent;
                sql
            }
            Key::Absent => {
                let columns = if table.has_part { "id, part" } else { "id" };
                table.key = Key::Primary(name.clone());
                format!("ALTER TABLE {full} ADD CONSTRAINT {name} PRIMARY KEY ({columns})")
            }
        };
        let mut statements = vec![Statement::define(sql, Vec::new())];
        let lost = self.model.tables[place].key == Key::Absent;
        if lost && !self.one_in(3) {
            let sql = format!("ALTER TABLE {full} REPLICA IDENTITY FULL");
            statements.push(Statement::define(sql, Vec::new()));
        }
        Some(statements)
    }

    fn identity(&mut self) -> Option<Vec<Statement>> {
        let place = self.table_that(|table| !table.is_partitioned())?;
        let full = self.model.tables[place].full();
        let identity = match self.roll(7) {
            0..=2 => "FULL",
            3..=4 => "DEFAULT",
            5 => "NOTHING",
            _ => {
                let index = self.model.new_name("x");
                let statements = [
                    format!("CREATE UNIQUE INDEX {index} ON {full} (id)"),
                    format!("ALTER TABLE {full} REPLICA IDENTITY USING INDEX {index}"),
                ];
                let define = |sql| Statement::define(sql, Vec::new());
                return Some(statements.into_iter().map(define).collect());
            }
        };
        let sql = format!("ALTER TABLE {full} REPLICA IDENTITY {identity}");
        Some(vec![Statement::define(sql, Vec::new())])
    }
}
