//! Prints how many rows a second one core encodes: `cargo run --release -p walcast-mapper --example encode_speed`.
//!
//! The rows are those of `tests/shared/orders.rs`: inserts and updates in turn, with key, value and headers.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::time::{Duration, Instant};

use walcast_mapper::config::Encoding;
use walcast_mapper::{RecordBuffer, RowChange};
use walcast_pgoutput::Tuple;
use walcast_pgoutput::reader::Reader;

#[path = "../tests/shared/orders.rs"]
mod orders;

const ROWS_A_BATCH: u64 = 1_000;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(1);
const KEEP_BYTES_MAX: usize = 1 << 24;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut plan = orders::plan(Encoding::Avro)?;
    let row = orders::row();
    let tuple = Tuple::read(&mut Reader::new(&row))?;
    let mut context = orders::context();
    let mut buffer = RecordBuffer::new();
    for _ in 0..ROUNDS {
        let mut rows = 0;
        let mut bytes = 0;
        let start = Instant::now();
        while start.elapsed() < ROUND {
            buffer.clear(KEEP_BYTES_MAX);
            for _ in 0..ROWS_A_BATCH / 2 {
                plan.encode(&RowChange::Insert { new: tuple }, &context, None, &mut buffer)?;
                context.ordinal = context.ordinal.next();
                plan.encode(
                    &RowChange::Update {
                        old: None,
                        new: tuple,
                    },
                    &context,
                    None,
                    &mut buffer,
                )?;
                context.ordinal = context.ordinal.next();
            }
            rows += ROWS_A_BATCH;
            bytes += buffer.len_bytes() as u64;
        }
        let nanos = u64::try_from(start.elapsed().as_nanos())?;
        let rows_a_second = rows * 1_000_000_000 / nanos;
        println!(
            "{rows_a_second} rows/s, {} ns a row, {} bytes a row",
            nanos / rows,
            bytes / rows
        );
    }
    Ok(())
}
