//! The examples, and what the documents show.

use std::io;

use super::{Seed, files, stem};

/// What nearly every key needs around it.
const MINIMAL: &str = "name = \"shop\"\n[postgres]\nurl = \"postgres://walcast@db/shop\"\n[kafka]\nbrokers = \"b:9092\"\n\
                       [registry]\nurl = \"http://r\"\n";

/// Whole files, and each of their tables and blocks alone, behind the least there is.
pub(super) fn seeds() -> io::Result<Vec<Seed>> {
    let mut seeds = vec![("minimal".to_owned(), MINIMAL.as_bytes().to_vec())];
    let mut add = |name: &str, text: &str| {
        seeds.push((name.to_owned(), text.as_bytes().to_vec()));
        for (number, table) in tables(text).enumerate() {
            let text = format!("{MINIMAL}{table}");
            seeds.push((format!("{name}-{number}"), text.into_bytes()));
        }
    };
    for file in files("examples", ".toml")? {
        add(&stem(&file), &std::fs::read_to_string(&file)?);
    }
    for file in files("docs", ".md")? {
        let text = std::fs::read_to_string(&file)?;
        let blocks = text
            .split("```toml\n")
            .skip(1)
            .filter_map(|rest| rest.split("```").next());
        for (number, block) in blocks.enumerate() {
            add(&format!("{}-{number}", stem(&file)), block);
        }
    }
    Ok(seeds)
}

/// A text in front of each line that begins a table.
fn tables(text: &str) -> impl Iterator<Item = String> {
    let lines: Vec<&str> = text.lines().collect();
    let starts: Vec<usize> = (0..lines.len())
        .filter(|at| lines[*at].starts_with('['))
        .collect();
    let ends: Vec<usize> = starts.iter().skip(1).copied().chain([lines.len()]).collect();
    let tables = starts.into_iter().zip(ends);
    tables.map(move |(start, end)| lines[start..end].join("\n"))
}
