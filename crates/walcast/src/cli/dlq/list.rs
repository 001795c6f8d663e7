//! `walcast dlq list`.

use anyhow::Context;
use jiff::Timestamp;
use serde::Deserialize;
use walcast_mapper::{TableName, TablePattern};
use walcast_pgoutput::Lsn;

use crate::config::Config;
use crate::exit::Exit;
use crate::stdout::{Reader, stdout};
use crate::wiring;

/// What is read of a letter. Letters are printed whole.
#[derive(Debug, Deserialize)]
struct Letter {
    id: String,
    schema: String,
    table: String,
    operation: String,
    reason: String,
    error: String,
    committed_at_unix_micros: Option<i64>,
}

impl Letter {
    fn parse(value: &[u8]) -> anyhow::Result<Self> {
        serde_json::from_slice(value).context("a record of the topic of dead letters is none")
    }

    fn table(&self) -> TableName {
        TableName {
            namespace: self.schema.clone(),
            name: self.table.clone(),
        }
    }

    /// Where it stands: the position that its identity begins with, and its number there. Rows that were read come in the order
    /// of their places.
    fn place(&self) -> (Lsn, u64, String) {
        let (lsn, rest) = self.id.rsplit_once('/').unwrap_or((&self.id, ""));
        let ordinal = rest.split('.').next().and_then(|number| number.parse().ok());
        (
            lsn.parse().unwrap_or(Lsn::INVALID),
            ordinal.unwrap_or(u64::MAX),
            rest.to_owned(),
        )
    }

    /// One line for people.
    fn line(&self) -> String {
        let time = self
            .committed_at_unix_micros
            .and_then(|micros| Timestamp::from_microsecond(micros).ok())
            .map_or_else(|| "-".to_owned(), |time| time.to_string());
        let Self {
            id,
            operation,
            reason,
            error,
            ..
        } = self;
        let error = error.replace('\n', " ");
        format!("{id}  {time}  {}  {operation}  {reason}: {error}", self.table())
    }
}

pub(super) async fn list(
    config: &Config,
    tables: &[TablePattern],
    limit: Option<usize>,
    json: bool,
) -> anyhow::Result<Exit> {
    let topic = config.dead_letters.topic.clone();
    let values = walcast_kafka::dead_letters(wiring::kafka(config)?, topic, &config.name).await?;
    let mut letters = Vec::new();
    for value in values {
        let letter = Letter::parse(&value)?;
        let is_wanted = tables.is_empty() || tables.iter().any(|pattern| pattern.matches(&letter.table()));
        if is_wanted {
            letters.push((letter, value));
        }
    }
    letters.sort_by_key(|(letter, _)| letter.place());
    let found = letters.len();
    letters.truncate(limit.unwrap_or(usize::MAX));
    let mut output = stdout();
    for (letter, value) in &letters {
        let printed = match json {
            true => output.line(&String::from_utf8_lossy(value))?,
            false => output.line(&letter.line())?,
        };
        if printed == Reader::Gone {
            return Ok(Exit::Done);
        }
    }
    if !json {
        output.line(&total(found, letters.len()))?;
    }
    output.flush()?;
    Ok(Exit::Done)
}

fn total(found: usize, shown: usize) -> String {
    match (found, shown) {
        (0, _) => "no dead letters".to_owned(),
        (1, 1) => "1 dead letter".to_owned(),
        _ if found == shown => format!("{found} dead letters"),
        _ => format!("{shown} of {found} dead letters"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(id: &str) -> Letter {
        let text = format!(
            r#"{{"version": 1, "id": "{id}", "schema": "public", "table": "orders", "operation": "insert",
                "reason": "size", "error": "too\nlarge", "committed_at_unix_micros": 1700000000000000, "after": null}}"#
        );
        Letter::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn letters_stand_in_the_order_of_the_log() {
        let mut letters: Vec<Letter> = ["0/20/10", "0/9/7", "0/20/9", "1/0/0", "0/20/16384(0,3)"]
            .map(letter)
            .into();
        letters.sort_by_key(Letter::place);
        let ids: Vec<&str> = letters.iter().map(|letter| letter.id.as_str()).collect();
        assert_eq!(ids, ["0/9/7", "0/20/9", "0/20/10", "0/20/16384(0,3)", "1/0/0"]);
    }

    #[test]
    fn a_letter_is_one_line() {
        assert_eq!(
            letter("0/20/10").line(),
            "0/20/10  2023-11-14T22:13:20Z  public.orders  insert  size: too large"
        );
    }

    #[test]
    fn what_is_not_shown_is_counted() {
        assert_eq!(total(0, 0), "no dead letters");
        assert_eq!(total(1, 1), "1 dead letter");
        assert_eq!(total(3, 3), "3 dead letters");
        assert_eq!(total(3, 2), "2 of 3 dead letters");
    }
}
