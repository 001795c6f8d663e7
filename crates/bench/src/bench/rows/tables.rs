//! The tables that are read.

use anyhow::Result;
use clap::ValueEnum;
use walcast_testbed::Postgres;

/// What a row looks like.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(in crate::bench) enum Shape {
    /// Six columns, about 100 bytes
    Orders,
    /// Forty columns of numbers, texts and times
    Wide,
    /// A text of 8 kB that is stored out of line
    Toast,
}

impl Shape {
    fn columns(self) -> String {
        match self {
            Shape::Orders => {
                "customer int NOT NULL, status text NOT NULL, note text, total numeric(12, 2) NOT NULL,
                placed timestamptz NOT NULL"
                    .to_owned()
            }
            Shape::Wide => (0..WIDE_GROUPS)
                .map(|n| format!("number{n} int, text{n} text, moment{n} timestamptz"))
                .collect::<Vec<_>>()
                .join(", "),
            Shape::Toast => "body text NOT NULL".to_owned(),
        }
    }

    /// The values of row `n`.
    fn values(self) -> String {
        match self {
            Shape::Orders => {
                "n % 1000, 'placed', repeat('note ', (n % 20)::int), n / 100.0, now()".to_owned()
            }
            Shape::Wide => (0..WIDE_GROUPS)
                .map(|group| format!("(n % 1000003)::int + {group}, 'text ' || n % 997, now()"))
                .collect::<Vec<_>>()
                .join(", "),
            // Digests do not compress.
            Shape::Toast => {
                "(SELECT string_agg(md5((n * 256 + part)::text), '') FROM generate_series(1, 256) part)"
                    .to_owned()
            }
        }
    }
}

/// With the key that makes 40 columns.
const WIDE_GROUPS: u32 = 13;

/// Tables of one shape, which share the rows.
#[derive(Clone, Copy, Debug)]
pub(in crate::bench) struct Tables {
    /// What their names begin with.
    pub(in crate::bench) prefix: &'static str,
    pub(in crate::bench) count: u32,
    /// Rows of all together.
    pub(in crate::bench) rows: u64,
    pub(in crate::bench) shape: Shape,
}

impl Tables {
    /// Their names.
    pub(super) fn names(&self) -> Vec<String> {
        (1..=self.count)
            .map(|number| format!("{}{number}", self.prefix))
            .collect()
    }

    /// The same with their schema.
    pub(in crate::bench) fn full_names(&self) -> Vec<String> {
        self.names().iter().map(|name| format!("public.{name}")).collect()
    }

    /// Their topics behind `topic_prefix`.
    pub(in crate::bench) fn topics(&self, topic_prefix: &str) -> Vec<String> {
        let names = self.full_names();
        names
            .iter()
            .map(|name| format!("{topic_prefix}.{name}"))
            .collect()
    }

    /// Creates and fills them. What the server would otherwise do with them at any time is done here.
    pub(in crate::bench) async fn fill(&self, postgres: &Postgres) -> Result<()> {
        let mut first = 1;
        for (place, name) in (0..).zip(self.names()) {
            let last = self.rows * (place + 1) / u64::from(self.count);
            postgres
                .execute(&format!(
                    "CREATE TABLE {name} (id bigint PRIMARY KEY, {columns});
                     INSERT INTO {name} SELECT n, {values} FROM generate_series({first}, {last}) n",
                    columns = self.shape.columns(),
                    values = self.shape.values()
                ))
                .await?;
            postgres
                .execute(&format!("VACUUM (FREEZE, ANALYZE) {name}"))
                .await?;
            first = last + 1;
        }
        Ok(())
    }
}
