//! Dead letters, as stored in Kafka.

use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};
use walcast_mapper::TableName;
use walcast_mapper::dead_letter::VERSION;
use walcast_mapper::pattern::TablePattern;
use walcast_pgoutput::Lsn;

use crate::config::Config;
use crate::exit::Rejection;

/// Dead letter, with the fields that the commands use. `list --json` prints the whole value.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct DeadLetter {
    pub(super) id: String,
    schema: String,
    table: String,
    /// Key columns by which the row is found.
    #[serde(default)]
    pub(super) key: Vec<String>,
    pub(super) operation: String,
    pub(super) reason: String,
    pub(super) error: String,
    committed_at_unix_micros: Option<i64>,
    pub(super) before: Option<Map<String, Value>>,
    pub(super) after: Option<Map<String, Value>>,
}

/// Selection of dead letters; an empty selection selects all.
#[derive(Debug, Default)]
pub(super) struct Choice {
    pub(super) tables: Vec<TablePattern>,
    pub(super) ids: Vec<String>,
}

/// Field that every format version has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

impl DeadLetter {
    pub(super) fn parse(value: &[u8]) -> anyhow::Result<Self> {
        const NOT_A_DEAD_LETTER: &str = "a record of the dead letter topic is not a dead letter";
        // The version is read first: a newer format may have fields with another meaning.
        let Versioned { version } = serde_json::from_slice(value).context(NOT_A_DEAD_LETTER)?;
        ensure!(
            version <= VERSION,
            "a dead letter has format version {version}, and the latest that can be read is {VERSION}; use the version of walcast \
             that wrote it"
        );
        serde_json::from_slice(value).context(NOT_A_DEAD_LETTER)
    }

    pub(super) fn table(&self) -> TableName {
        TableName {
            namespace: self.schema.clone(),
            name: self.table.clone(),
        }
    }

    /// Sort key in WAL order: the position at the start of the identifier, and the ordinal there. Snapshot rows are sorted by
    /// their places.
    pub(super) fn place(&self) -> (Lsn, u64, String) {
        let (lsn, rest) = self.id.rsplit_once('/').unwrap_or((&self.id, ""));
        let ordinal = rest.split('.').next().and_then(|number| number.parse().ok());
        (
            lsn.parse().unwrap_or(Lsn::INVALID),
            ordinal.unwrap_or(u64::MAX),
            rest.to_owned(),
        )
    }

    /// Text form on one line.
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
    pub(super) fn selects(&self, letter: &DeadLetter) -> bool {
        let is_all = self.tables.is_empty() && self.ids.is_empty();
        is_all
            || self.ids.contains(&letter.id)
            || self.tables.iter().any(|pattern| pattern.matches(&letter.table()))
    }
}

/// All unresolved dead letters, in WAL order.
pub(super) async fn letters(config: &Config) -> anyhow::Result<Vec<DeadLetter>> {
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

/// All unresolved dead letters, in WAL order, each with its record value.
pub(super) async fn listed(config: &Config) -> anyhow::Result<Vec<(DeadLetter, Vec<u8>)>> {
    let topic = config.delivery.dead_letters.topic.clone();
    let values = walcast_kafka::read_dead_letters(config.kafka.clone(), topic, &config.name).await?;
    let mut letters = Vec::with_capacity(values.len());
    for value in values {
        letters.push((DeadLetter::parse(&value)?, value));
    }
    letters.sort_by_key(|(letter, _)| letter.place());
    Ok(letters)
}

/// Dead letters that the choice selects. An unknown identifier is an error: it may be mistyped.
pub(super) fn chosen(letters: Vec<DeadLetter>, choice: &Choice) -> Result<Vec<DeadLetter>, Rejection> {
    let known: BTreeSet<&String> = letters.iter().map(|letter| &letter.id).collect();
    if let Some(id) = choice.ids.iter().find(|id| !known.contains(id)) {
        return Err(Rejection::Request(format!(
            "no dead letter has the walcast.id {id}, or it is resolved; walcast dlq list shows unresolved dead letters"
        )));
    }
    let mut letters = letters;
    letters.retain(|letter| choice.selects(letter));
    Ok(letters)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn letter(id: &str) -> DeadLetter {
        let text = format!(
            r#"{{"version": 1, "id": "{id}", "schema": "public", "table": "orders", "key": ["id"], "operation": "insert",
                "reason": "size", "error": "too\nlarge", "committed_at_unix_micros": 1700000000000000,
                "before": null, "after": {{"id": "7"}}}}"#
        );
        DeadLetter::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn dead_letters_are_sorted_in_wal_order() {
        let mut letters: Vec<DeadLetter> = ["0/20/10", "0/9/7", "0/20/9", "1/0/0", "0/20/16384(0,3)"]
            .map(letter)
            .into();
        letters.sort_by_key(DeadLetter::place);
        let ids: Vec<&str> = letters.iter().map(|letter| letter.id.as_str()).collect();
        assert_eq!(ids, ["0/9/7", "0/20/9", "0/20/10", "0/20/16384(0,3)", "1/0/0"]);
    }

    #[test]
    fn rejects_newer_format_versions() {
        let error = DeadLetter::parse(br#"{"version": 2, "id": 7, "of": "another form"}"#).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a dead letter has format version 2, and the latest that can be read is 1; use the version of walcast that wrote it"
        );
    }

    #[test]
    fn a_dead_letter_is_one_line() {
        assert_eq!(
            letter("0/20/10").line(),
            "0/20/10  2023-11-14T22:13:20Z  public.orders  insert  size: too large"
        );
    }

    #[test]
    fn chooses_exactly_the_named_dead_letters() {
        let ids = |choice: &Choice| {
            let letters = ["0/1/0", "0/2/0"].map(letter).to_vec();
            let ids =
                |letters: Vec<DeadLetter>| letters.into_iter().map(|letter| letter.id).collect::<Vec<_>>();
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
