//! The tables and the statements of one measurement.

use clap::ValueEnum;

/// A property of the source that grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::bench) enum Dimension {
    /// Rows of each transaction
    TransactionRows,
    /// Columns of the table
    Columns,
    /// Bytes of each row
    RowWidth,
    /// Captured tables, of which a hundred change at most
    Tables,
    /// Versions of the table's schema within the backlog: each adds a column
    SchemaVersions,
    /// Seconds of 1000 transactions each that wait
    Outage,
}

impl Dimension {
    pub(in crate::bench) const ALL: [Dimension; 6] = [
        Dimension::TransactionRows,
        Dimension::Columns,
        Dimension::RowWidth,
        Dimension::Tables,
        Dimension::SchemaVersions,
        Dimension::Outage,
    ];

    /// What the value counts.
    pub(in crate::bench) fn description(self) -> &'static str {
        match self {
            Dimension::TransactionRows => "rows per transaction",
            Dimension::Columns => "columns",
            Dimension::RowWidth => "bytes per row",
            Dimension::Tables => "tables",
            Dimension::SchemaVersions => "schema versions",
            Dimension::Outage => "seconds of outage",
        }
    }

    fn values(self) -> &'static [u64] {
        match self {
            Dimension::TransactionRows => &[1, 10, 100, 1_000, 10_000, 100_000],
            Dimension::Columns => &[2, 10, 100, 400],
            Dimension::RowWidth => &[100, 1_000, 10_000, 100_000],
            Dimension::Tables => &[10, 100, 1_000, 10_000],
            Dimension::SchemaVersions => &[1, 10, 100, 300],
            Dimension::Outage => &[10, 60, 300, 600],
        }
    }
}

/// Rows of a transaction where that is not what grows.
const TRANSACTION_ROWS: u64 = 10;
/// Tables that change.
const CHANGED_TABLES_MAX: u64 = 100;
/// Values of all rows together, where there are many columns.
const VALUES_MAX: u64 = 2_000_000;
/// Bytes of all rows together, where they are wide.
const BYTES_MAX: u64 = 200_000_000;
/// An outage of a second is so many transactions: this share of the changes of a measurement.
const CHANGES_PER_OUTAGE_SECOND: u64 = 100;
/// Tables that are created in one transaction.
const CREATED_TOGETHER: u64 = 100;

/// One value of a property.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) dimension: Dimension,
    pub(super) value: u64,
    /// Transactions of one version of the schema, or of all tables.
    transactions: u64,
    rows: u64,
}

impl Step {
    /// The first values of a property, with so many changes each at most.
    pub(super) fn all(dimension: Dimension, changes: u64, count: u32) -> Vec<Step> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let values = dimension.values().iter().take(count);
        let fits = values.filter(|value| dimension != Dimension::TransactionRows || **value <= changes);
        fits.map(|value| Step::of(dimension, *value, changes)).collect()
    }

    fn of(dimension: Dimension, value: u64, changes: u64) -> Step {
        let (all, rows) = match dimension {
            Dimension::TransactionRows => (changes, value),
            Dimension::Columns => (changes.min(VALUES_MAX / value), TRANSACTION_ROWS),
            Dimension::RowWidth => (changes.min(BYTES_MAX / value), TRANSACTION_ROWS),
            Dimension::Tables => (changes, 1),
            Dimension::SchemaVersions => (changes / value, TRANSACTION_ROWS),
            Dimension::Outage => (value * changes / CHANGES_PER_OUTAGE_SECOND, 1),
        };
        Step {
            dimension,
            value,
            transactions: (all / rows).max(1),
            rows,
        }
    }

    /// Versions of the schema.
    fn versions(&self) -> u64 {
        match self.dimension {
            Dimension::SchemaVersions => self.value,
            _ => 1,
        }
    }

    /// Transactions in all.
    pub(super) fn transactions(&self) -> u64 {
        self.transactions * self.versions()
    }

    /// Changes in all.
    pub(super) fn changes(&self) -> u64 {
        self.transactions() * self.rows
    }

    /// Tables that change.
    fn changed_tables(&self) -> u64 {
        match self.dimension {
            Dimension::Tables => self.value.min(CHANGED_TABLES_MAX),
            _ => 1,
        }
    }

    /// Statements that create the tables in a schema of this name.
    pub(super) fn creation(&self, schema: &str) -> Vec<String> {
        let mut statements = vec![format!("CREATE SCHEMA {schema}")];
        match self.dimension {
            Dimension::Columns => {
                let columns = (1..self.value).map(|number| format!(", c{number} integer"));
                let columns: String = columns.collect();
                statements.push(format!("CREATE TABLE {schema}.t0 (id bigint PRIMARY KEY{columns})"));
            }
            Dimension::Tables => statements.push(format!(
                "DO $$ BEGIN FOR number IN 0..{} LOOP
                     EXECUTE 'CREATE TABLE {schema}.t' || number || ' (id bigint PRIMARY KEY, note text NOT NULL)';
                     IF number % {CREATED_TOGETHER} = 0 THEN COMMIT; END IF;
                 END LOOP; END $$",
                self.value - 1
            )),
            _ => {
                statements.push(format!(
                    "CREATE TABLE {schema}.t0 (id bigint PRIMARY KEY, note text NOT NULL)"
                ));
                // A long text stays as long as it is.
                statements.push(format!("ALTER TABLE {schema}.t0 ALTER note SET STORAGE EXTERNAL"));
            }
        }
        statements
    }

    /// Number of transactions of [`Step::warm_up`].
    pub(super) fn warm_up_transactions(&self) -> u64 {
        self.changed_tables()
    }

    /// One change to each table that changes later, in a transaction of its own.
    pub(super) fn warm_up(&self, schema: &str) -> String {
        self.insert(schema, self.changed_tables(), 1, "-1 - number")
    }

    /// Statements that write the backlog.
    pub(super) fn writes(&self, schema: &str) -> Vec<String> {
        let mut statements = Vec::new();
        for version in 0..self.versions() {
            if version > 0 {
                statements.push(format!("ALTER TABLE {schema}.t0 ADD COLUMN extra{version} text"));
            }
            let first = version * self.transactions * self.rows;
            let id = format!("{first}::bigint + number * {} + n", self.rows);
            statements.push(self.insert(schema, self.transactions, self.rows, &id));
        }
        statements
    }

    /// Transactions of so many inserts each, into the changed tables in turn. `id` is an expression of the number of the transaction
    /// and of the row `n` within it.
    fn insert(&self, schema: &str, transactions: u64, rows: u64, id: &str) -> String {
        let (columns, values) = match self.dimension {
            Dimension::Columns => (
                String::new(),
                ", n".repeat(usize::try_from(self.value - 1).unwrap_or(0)),
            ),
            Dimension::RowWidth => (
                "(id, note)".to_owned(),
                format!(
                    ", left(repeat(md5(n::text), {}), {})",
                    self.value / 32 + 1,
                    self.value
                ),
            ),
            _ => (
                "(id, note)".to_owned(),
                ", 'a note of an ordinary length'".to_owned(),
            ),
        };
        let statement = match self.changed_tables() {
            1 => format!(
                "INSERT INTO {schema}.t0 {columns} SELECT {id}{values} FROM generate_series(0, {}) n",
                rows - 1
            ),
            tables => format!(
                "EXECUTE 'INSERT INTO {schema}.t' || number % {tables} || ' {columns} VALUES ($1, $2)'
                 USING (SELECT {id} FROM generate_series(0, 0) n), 'a note of an ordinary length'::text"
            ),
        };
        format!(
            "DO $$ BEGIN FOR number IN 0..{} LOOP {statement}; COMMIT; END LOOP; END $$",
            transactions - 1
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{Dimension, Step};

    #[test]
    fn every_step_has_changes_and_the_table_that_it_names() {
        for dimension in Dimension::ALL {
            let steps = Step::all(dimension, 100_000, 6);
            assert_eq!(steps.len(), dimension.values().len(), "{dimension:?}");
            for step in steps {
                assert!(step.changes() > 0 && step.changes() <= 600_000, "{step:?}");
                let writes = step.writes("s");
                assert!(
                    writes.iter().all(|statement| statement.contains("s.t")),
                    "{step:?}"
                );
                assert!(!step.creation("s").is_empty());
            }
        }
    }

    #[test]
    fn small_runs_leave_out_transactions_that_are_larger() {
        let steps = Step::all(Dimension::TransactionRows, 100, 6);
        let shape: Vec<(u64, u64)> = steps
            .iter()
            .map(|step| (step.value, step.transactions()))
            .collect();
        assert_eq!(shape, [(1, 100), (10, 10), (100, 1)]);
        let steps = Step::all(Dimension::SchemaVersions, 100, 2);
        let shape: Vec<(u64, u64)> = steps.iter().map(|step| (step.value, step.changes())).collect();
        assert_eq!(shape, [(1, 100), (10, 100)]);
    }
}
