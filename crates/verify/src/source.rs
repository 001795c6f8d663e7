//! Reading the rows of a table in a snapshot of the source.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use walcast_delivery::{ChosenRows, DeliveryError, Opened, Snapshot};
use walcast_mapper::{MapperConfig, RowId, TableName};
use walcast_pgoutput::{CopyDecoder, Tuple};

use crate::error::VerifyError;
use crate::table::{Method, SourceRow, SourceTable};

/// Limit of the rows that are read in a second, over all tables.
#[derive(Debug)]
pub struct Pace {
    rows_per_second: Option<u32>,
    /// Time from which the next rows may be read: what was not read in time is not made up for.
    due: Instant,
    rows: u64,
}

impl Pace {
    /// At most so many rows; `None`: as many as possible.
    #[must_use]
    pub fn new(rows_per_second: Option<u32>) -> Self {
        Self {
            rows_per_second,
            due: Instant::now(),
            rows: 0,
        }
    }

    /// Number of rows that were read.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    async fn keep(&mut self, rows: u64) {
        self.rows += rows;
        let Some(limit) = self.rows_per_second else { return };
        let micros = rows.saturating_mul(1_000_000) / u64::from(limit.max(1));
        self.due = self.due.max(Instant::now()) + Duration::from_micros(micros);
        sleep_until(self.due).await;
    }
}

/// Outcome of reading a table.
#[derive(Debug)]
pub enum Outcome {
    /// It was read.
    Read(Box<SourceTable>),
    /// It did not exist when the snapshot was taken.
    Missing,
    /// It was altered, truncated or dropped since, or is locked: its rows cannot be seen as they were.
    Altered,
}

/// Reads the rows of a table and passes each to `each`, with its values as Postgres writes them.
///
/// # Errors
/// The source cannot be read, a row cannot be mapped, or `each` fails.
pub async fn read_rows<S: Snapshot>(
    snapshot: &mut S,
    table: &TableName,
    rows: ChosenRows<'_>,
    (config, method): (&MapperConfig, Method),
    pace: &mut Pace,
    mut each: impl FnMut(&SourceTable, SourceRow, Tuple<'_>) -> Result<(), VerifyError>,
) -> Result<Outcome, VerifyError> {
    let source = |error| VerifyError::Delivery(DeliveryError::Source(error));
    let opened = match snapshot.open(table, None, None, rows).await.map_err(source)? {
        Opened::Table(opened) => *opened,
        Opened::Missing => return Ok(Outcome::Missing),
        Opened::Altered => return Ok(Outcome::Altered),
    };
    let mut read = SourceTable::new(opened.relation, &opened.facts, config, method)?;
    let mut decoder = CopyDecoder::default();
    while let Some(copied) = snapshot.next().await.map_err(source)? {
        let mut count = 0;
        for line in copied.lines.split_inclusive(|byte| *byte == b'\n') {
            let row = decoder.decode(line).map_err(|source| {
                VerifyError::Delivery(DeliveryError::CopiedRow {
                    table: table.clone(),
                    source,
                })
            })?;
            let id = RowId {
                table: copied.table,
                tid: row.tid,
            };
            let decoded = read.row(id, row.values)?;
            each(&read, decoded, row.values)?;
            count += 1;
        }
        pace.keep(count).await;
    }
    Ok(Outcome::Read(Box::new(read)))
}
