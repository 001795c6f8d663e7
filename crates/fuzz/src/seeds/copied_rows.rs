//! Rows of captured logs, as COPY prints them.

use std::collections::BTreeSet;
use std::io;

use walcast_pgoutput::{Decoder, Message, Tid};

use super::{Seed, captures};
use crate::copied_row::print;

/// One seed for each log: its inserted rows.
pub(super) fn seeds() -> io::Result<Vec<Seed>> {
    let mut seeds = Vec::new();
    let mut known = BTreeSet::new();
    for capture in captures::all()? {
        let mut decoder = Decoder::new();
        let mut lines = Vec::new();
        for (_, message) in &capture.messages {
            let message = decoder.decode(message).map_err(io::Error::other)?;
            if let Message::Insert(insert) = message
                && let Some(line) = print(Tid::of_block(7), insert.new)
                && known.insert(line.clone())
            {
                lines.extend(line);
            }
        }
        seeds.push((capture.name, lines));
    }
    seeds.retain(|(_, lines)| !lines.is_empty());
    Ok(seeds)
}
