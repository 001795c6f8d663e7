//! A dead letter, as it is in Kafka.

use std::collections::BTreeSet;

use anyhow::Context;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};
use walcast_mapper::{TableName, TablePattern};
use walcast_pgoutput::Lsn;

use crate::config::Config;
use crate::exit::Refusal;
use crate::wiring;

/// What is read of a letter. Letters are printed whole.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Letter {
    pub(super) id: String,
    schema: String,
    table: String,
    /// The columns by which its row is found.
    #[serde(default)]
    pub(super) key: Vec<String>,
    pub(super) operation: String,
    pub(super) reason: String,
    pub(super) error: String,
    committed_at_unix_micros: Option<i64>,
    pub(super) before: Option<Map<String, Value>>,
    pub(super) after: Option<Map<String, Value>>,
}

/// Which letters are meant; nothing named: all.
#[derive(Debug, Default)]
pub(super) struct Choice {
    pub(super) tables: Vec<TablePattern>,
    pub(super) ids: Vec<String>,
}

impl Letter {
    pub(super) fn parse(value: &[u8]) -> anyhow::Result<Self> {
        serde_json::from_slice(value).context("a record of the topic of dead letters is none")
    }

    pub(super) fn table(&self) -> TableName {
        TableName {
            namespace: self.schema.clone(),
            name: self.table.clone(),
        }
    }

    /// Where it stands: the position that its identity begins with, and its number there. Rows that were read come in the order
    /// of their places.
    pub(super) fn place(&self) -> (Lsn, u64, String) {
        let (lsn, rest) = self.id.rsplit_once('/').unwrap_or((&self.id, ""));
        let ordinal = rest.split('.').next().and_then(|number| number.parse().ok());
        (
            lsn.parse().unwrap_or(Lsn::INVALID),
            ordinal.unwrap_or(u64::MAX),
            rest.to_owned(),
        )
    }

    /// One line for people.
    pub(super) fn line(&self) -> String {
        let time = self
            .committed_at_unix_micros
            .and_then(|micros| Timestamp::from_microsecond(micros).ok())
            .map_or_else(|| "-".to_owned(), |time| time.to_string());
        let Self {
            id,
            operation,
            reason,
            ..
        } = self;
        let error = self.error.replace('\n', " ");
        format!("{id}  {time}  {}  {operation}  {reason}: {error}", self.table())
    }
}

impl Choice {
    pub(super) fn chooses(&self, letter: &Letter) -> bool {
        let is_all = self.tables.is_empty() && self.ids.is_empty();
        is_all
            || self.ids.contains(&letter.id)
            || self.tables.iter().any(|pattern| pattern.matches(&letter.table()))
    }
}

/// All letters on the list, in the order of the log.
pub(super) async fn letters(config: &Config) -> anyhow::Result<Vec<Letter>> {
    let listed = listed(config).await?.into_iter();
    Ok(listed.map(|(letter, _)| letter).collect())
}

/// `3 dead letters`
pub(super) fn count(letters: usize) -> String {
    match letters {
        1 => "1 dead letter".to_owned(),
        letters => format!("{letters} dead letters"),
    }
}

/// The same, each with its value.
pub(super) async fn listed(config: &Config) -> anyhow::Result<Vec<(Letter, Vec<u8>)>> {
    let topic = config.dead_letters.topic.clone();
    let values = walcast_kafka::dead_letters(wiring::kafka(config)?, topic, &config.name).await?;
    let mut letters = Vec::with_capacity(values.len());
    for value in values {
        letters.push((Letter::parse(&value)?, value));
    }
    letters.sort_by_key(|(letter, _)| letter.place());
    Ok(letters)
}

/// Those that are meant. One that is named and not on the list is an error: it may be a typing error.
pub(super) fn chosen(letters: Vec<Letter>, choice: &Choice) -> Result<Vec<Letter>, Refusal> {
    let known: BTreeSet<&String> = letters.iter().map(|letter| &letter.id).collect();
    if let Some(id) = choice.ids.iter().find(|id| !known.contains(id)) {
        return Err(Refusal::Request(format!(
            "no dead letter has the walcast.id {id}, or it was dealt with; walcast dlq list shows those that are left"
        )));
    }
    let mut letters = letters;
    letters.retain(|letter| choice.chooses(letter));
    Ok(letters)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn letter(id: &str) -> Letter {
        let text = format!(
            r#"{{"version": 1, "id": "{id}", "schema": "public", "table": "orders", "key": ["id"], "operation": "insert",
                "reason": "size", "error": "too\nlarge", "committed_at_unix_micros": 1700000000000000,
                "before": null, "after": {{"id": "7"}}}}"#
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
    fn what_is_named_is_chosen_and_nothing_else() {
        let ids = |choice: &Choice| {
            let letters = ["0/1/0", "0/2/0"].map(letter).to_vec();
            let ids = |letters: Vec<Letter>| letters.into_iter().map(|letter| letter.id).collect::<Vec<_>>();
            chosen(letters, choice)
                .map(ids)
                .map_err(|refused| refused.to_string())
        };
        let choice = |tables: &[&str], ids: &[&str]| Choice {
            tables: tables.iter().map(|table| table.parse().unwrap()).collect(),
            ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        };
        assert_eq!(ids(&choice(&[], &[])).unwrap().len(), 2);
        assert_eq!(ids(&choice(&["public.items"], &[])).unwrap().len(), 0);
        assert_eq!(ids(&choice(&["public.o*"], &[])).unwrap().len(), 2);
        assert_eq!(ids(&choice(&[], &["0/2/0"])).unwrap(), ["0/2/0"]);
        assert_eq!(ids(&choice(&["public.items"], &["0/2/0"])).unwrap(), ["0/2/0"]);
        assert!(
            ids(&choice(&[], &["0/2/0", "0/3/0"]))
                .unwrap_err()
                .contains("0/3/0")
        );
    }
}
