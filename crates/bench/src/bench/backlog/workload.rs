//! Workloads: the tables that change, and the statements that change them.

use clap::ValueEnum;

/// What kind of changes wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::bench) enum Workload {
    /// Inserts of six columns: many transactions of one row, and two large ones
    Mixed,
    /// Inserts of six columns in one large transaction
    LargeTransaction,
    /// Updates of rows of 40 columns under REPLICA IDENTITY FULL, a hundred in a transaction
    FullIdentity,
    /// Updates that leave a text of 8 kB unchanged, which is stored out of line, ten in a transaction
    Toast,
    /// Inserts into 200 tables in turn, one in a transaction
    Tables,
}

/// Tables of [`Workload::Tables`].
const TABLES: u64 = 200;
/// Rows that are updated again and again.
const WIDE_ROWS: u64 = 5_000;
const TOAST_ROWS: u64 = 2_000;
/// Groups of three columns; 40 columns with the key.
const WIDE_GROUPS: u64 = 13;

/// Share of a mixed backlog in transactions of one row and in the larger one of the others, in thousandths.
const SMALL_SHARE: u64 = 300;
const LARGE_SHARE: u64 = 500;

impl Workload {
    /// Those that are measured beside the mixed one.
    pub(in crate::bench) const OTHERS: [Workload; 4] = [
        Workload::LargeTransaction,
        Workload::FullIdentity,
        Workload::Toast,
        Workload::Tables,
    ];

    /// Name as part of the names of connectors and tables.
    pub(in crate::bench) fn name(self) -> &'static str {
        match self {
            Workload::Mixed => "mixed",
            Workload::LargeTransaction => "large",
            Workload::FullIdentity => "wide",
            Workload::Toast => "toast",
            Workload::Tables => "tables",
        }
    }

    /// Number of changes if none is asked for: about the same size of the stream.
    pub(in crate::bench) fn default_changes(self) -> u64 {
        match self {
            Workload::Mixed | Workload::LargeTransaction => 1_000_000,
            Workload::FullIdentity => 150_000,
            Workload::Toast | Workload::Tables => 200_000,
        }
    }

    /// Description for the document.
    pub(in crate::bench) fn description(self) -> &'static str {
        match self {
            Workload::Mixed => "transactions of one row, and two large ones",
            Workload::LargeTransaction => "inserts in one transaction",
            Workload::FullIdentity => "updates of 40 columns, REPLICA IDENTITY FULL",
            Workload::Toast => "updates that leave 8 kB out of line unchanged",
            Workload::Tables => "inserts into 200 tables in turn",
        }
    }

    /// Transactions with so many changes in all, in their order: how many, and of how many rows each.
    pub(super) fn transactions(self, changes: u64) -> Vec<(u64, u64)> {
        let of_size = |size: u64| -> Vec<(u64, u64)> {
            let all = [
                (changes / size, size),
                (u64::from(!changes.is_multiple_of(size)), changes % size),
            ];
            all.into_iter().filter(|(count, _)| *count > 0).collect()
        };
        match self {
            Workload::Mixed => {
                let share = |thousandths: u64| (changes * thousandths / 1000).max(1);
                let (small, large) = (share(SMALL_SHARE), share(LARGE_SHARE));
                let medium = changes.saturating_sub(small + large).max(1);
                vec![(small, 1), (1, large), (1, medium)]
            }
            Workload::LargeTransaction => vec![(1, changes)],
            Workload::FullIdentity => of_size(100),
            Workload::Toast => of_size(10),
            Workload::Tables => of_size(1),
        }
    }

    /// Tables that change, without schema.
    pub(super) fn tables(self) -> Vec<String> {
        match self {
            Workload::Tables => (0..TABLES).map(|number| format!("many{number}")).collect(),
            _ => vec![self.name().to_owned()],
        }
    }

    /// The one that is changed last.
    pub(super) fn last_table(self, changes: u64) -> String {
        match self {
            Workload::Tables => format!("many{}", changes.saturating_sub(1) % TABLES),
            _ => self.name().to_owned(),
        }
    }

    /// A statement that makes `count` transactions of `rows` rows each, of which one is 1 where rows are inserted. The ids of inserted
    /// rows begin with `first_id`.
    pub(super) fn statement(self, count: u64, rows: u64, first_id: i64) -> String {
        let each = |transaction: &str| {
            format!(
                "DO $$ BEGIN FOR number IN 0..{} LOOP {transaction}; COMMIT; END LOOP; END $$",
                count.saturating_sub(1)
            )
        };
        match self {
            Workload::Mixed | Workload::LargeTransaction if count == 1 => format!(
                "INSERT INTO {} {}",
                self.name(),
                order(&format!(
                    "SELECT {first_id} + n FROM generate_series(0, {}) n",
                    rows - 1
                ))
            ),
            Workload::Mixed | Workload::LargeTransaction => each(&format!(
                "INSERT INTO {} {}",
                self.name(),
                order(&format!("SELECT {first_id} + number"))
            )),
            Workload::Tables => {
                let row = order("SELECT $1").replace('\'', "''");
                each(&format!(
                    "EXECUTE 'INSERT INTO many' || number % {TABLES} || ' {row}' USING {first_id}::bigint + number"
                ))
            }
            Workload::FullIdentity => each(&format!(
                "UPDATE wide SET number0 = number0 + 1, moment0 = clock_timestamp() WHERE {}",
                in_turn(rows, WIDE_ROWS)
            )),
            Workload::Toast => each(&format!(
                "UPDATE toast SET counter = counter + 1 WHERE {}",
                in_turn(rows, TOAST_ROWS)
            )),
        }
    }

    /// Statements that create the tables and their first rows, each a transaction of its own.
    pub(super) fn creation(self) -> Vec<String> {
        const ORDER: &str = "id bigint PRIMARY KEY, customer_id integer NOT NULL, status text NOT NULL,
            total numeric(10,2) NOT NULL, note text, placed_at timestamptz NOT NULL, paid boolean NOT NULL";
        let names = self.tables();
        match self {
            Workload::Mixed | Workload::LargeTransaction | Workload::Tables => {
                let tables = names.iter().map(|name| format!("CREATE TABLE {name} ({ORDER})"));
                tables.collect()
            }
            Workload::FullIdentity => {
                let columns: Vec<String> = (0..WIDE_GROUPS)
                    .map(|n| format!("number{n} int, text{n} text, moment{n} timestamptz"))
                    .collect();
                let values: Vec<String> = (0..WIDE_GROUPS)
                    .map(|group| format!("(n % 1000003)::int + {group}, 'text ' || n % 997, now()"))
                    .collect();
                vec![
                    format!("CREATE TABLE wide (id bigint PRIMARY KEY, {})", columns.join(", ")),
                    "ALTER TABLE wide REPLICA IDENTITY FULL".to_owned(),
                    format!(
                        "INSERT INTO wide SELECT n, {} FROM generate_series(0, {}) n",
                        values.join(", "),
                        WIDE_ROWS - 1
                    ),
                ]
            }
            Workload::Toast => vec![
                "CREATE TABLE toast (id bigint PRIMARY KEY, counter integer NOT NULL, body text NOT NULL)".to_owned(),
                // Digests do not compress.
                format!(
                    "INSERT INTO toast SELECT n, 0,
                         (SELECT string_agg(md5((n * 256 + part)::text), '') FROM generate_series(1, 256) part)
                     FROM generate_series(0, {}) n",
                    TOAST_ROWS - 1
                ),
            ],
        }
    }
}

/// Condition of so many rows of a table, in turn.
fn in_turn(rows: u64, all: u64) -> String {
    format!("id >= number * {rows} % {all} AND id < number * {rows} % {all} + {rows}")
}

/// Rows with these ids: about what an order of a shop looks like.
fn order(ids: &str) -> String {
    format!(
        "SELECT n, n % 10007, (ARRAY['placed','paid','shipped','cancelled'])[1 + n % 4], n % 100000 / 100.0,
                repeat(md5(n::text), 5), timestamptz '2026-01-01 00:00:00+00' + n % 100000000 * interval '1 second', n % 2 = 0
         FROM ({ids}) AS numbers(n)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_is_in_one_transaction() {
        for workload in Workload::OTHERS.into_iter().chain([Workload::Mixed]) {
            for changes in [3, 10, 101, 1000, 1_000_000] {
                let transactions = workload.transactions(changes);
                let sum: u64 = transactions.iter().map(|(count, rows)| count * rows).sum();
                assert_eq!(sum, changes, "{workload:?}");
                assert!(transactions.iter().all(|(count, rows)| *count > 0 && *rows > 0));
            }
        }
        assert_eq!(
            Workload::Mixed.transactions(1_000_000),
            [(300_000, 1), (1, 500_000), (1, 200_000)]
        );
        assert_eq!(Workload::FullIdentity.transactions(150), [(1, 100), (1, 50)]);
    }

    #[test]
    fn updates_never_wrap_within_a_transaction() {
        for (workload, rows) in [(Workload::FullIdentity, WIDE_ROWS), (Workload::Toast, TOAST_ROWS)] {
            let transactions = workload.transactions(1_000_000);
            assert!(transactions.iter().all(|(_, size)| rows.is_multiple_of(*size)));
        }
    }
}
