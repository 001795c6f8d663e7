//! Batches of rows. The size of a request is limited, as every checkpoint contains the request until its rows are read.

use std::collections::BTreeMap;

use walcast_delivery::FormerKey;
use walcast_delivery::sql;
use walcast_mapper::TableName;

use super::row::{RowKey, Rows};

/// Maximum number of rows in a batch: as many as index lookups find quickly.
const ROWS_MAX: usize = 200;

/// Maximum number of dead letters in a batch; several may belong to one row.
const DEAD_LETTERS_MAX: usize = 500;

/// Maximum length of the condition of a batch; only the condition of a single row may be longer.
const CONDITION_BYTES_MAX: usize = 16 * 1024;

/// Rows of one table that one request reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) rows: Vec<RowKey>,
    /// Keys that rows have lost.
    pub(super) former_keys: Vec<FormerKey>,
    /// Dead letters that the read resolves.
    pub(super) letters: Vec<String>,
    /// SQL condition that selects the rows.
    pub(super) condition: String,
}

/// Groups the dead letters of a table by row into batches, in WAL order.
pub(super) fn batches(letters: Vec<(String, Rows)>) -> Vec<Batch> {
    let mut places = BTreeMap::new();
    let mut by_rows: Vec<(Rows, Vec<String>)> = Vec::new();
    for (letter, rows) in letters {
        let place = *places.entry(rows.clone()).or_insert(by_rows.len());
        match by_rows.get_mut(place) {
            Some((_, letters)) => letters.push(letter),
            None => by_rows.push((rows, vec![letter])),
        }
    }
    let mut batches: Vec<Batch> = Vec::new();
    for (rows, letters) in by_rows {
        for letters in letters.chunks(DEAD_LETTERS_MAX) {
            match batches
                .last_mut()
                .filter(|batch| batch.has_headroom(&rows, letters))
            {
                Some(batch) => batch.add(&rows, letters),
                None => {
                    let mut batch = Batch::default();
                    batch.add(&rows, letters);
                    batches.push(batch);
                }
            }
        }
    }
    batches
}

const OR: &str = " OR ";

fn has_key(key: &RowKey) -> String {
    format!("({})", sql::has_key(key))
}

impl Batch {
    fn has_headroom(&self, rows: &Rows, letters: &[String]) -> bool {
        let keys = rows.row.iter().chain(&rows.former);
        let bytes: usize = keys.map(|key| OR.len() + has_key(key).len()).sum();
        self.rows.len() < ROWS_MAX
            && self.letters.len() + letters.len() <= DEAD_LETTERS_MAX
            && self.condition.len() + bytes <= CONDITION_BYTES_MAX
    }

    fn add(&mut self, rows: &Rows, letters: &[String]) {
        for key in rows.row.iter().chain(&rows.former) {
            if self.rows.contains(key) {
                continue;
            }
            if !self.condition.is_empty() {
                self.condition.push_str(OR);
            }
            self.condition.push_str(&has_key(key));
            self.rows.push(key.clone());
        }
        let former = rows.former.iter().map(|key| FormerKey(key.clone()));
        for key in former {
            if !self.former_keys.contains(&key) {
                self.former_keys.push(key);
            }
        }
        self.letters.extend_from_slice(letters);
    }
}

/// Pattern that matches exactly one table.
pub(super) fn exactly(table: &TableName) -> String {
    let is_plain = |name: &str| {
        let mut bytes = name.bytes();
        !name.is_empty() && bytes.all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
    };
    match is_plain(&table.namespace) && is_plain(&table.name) {
        true => table.to_string(),
        false => sql::table(table),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;
    use walcast_mapper::pattern::TablePattern;

    use super::*;

    fn key(columns: &[(&str, &str)]) -> RowKey {
        let owned = |(column, value): &(&str, &str)| ((*column).to_owned(), (*value).to_owned());
        columns.iter().map(owned).collect()
    }

    fn is(columns: &[(&str, &str)]) -> Rows {
        Rows {
            row: Some(key(columns)),
            former: None,
        }
    }

    fn by_id(count: usize) -> Vec<(String, Rows)> {
        let one = |id: usize| (format!("0/{id}/0"), is(&[("id", &id.to_string())]));
        (0..count).map(one).collect()
    }

    #[test]
    fn dead_letters_of_one_row_request_it_once() {
        let rows = vec![
            ("0/1/0".to_owned(), is(&[("id", "7"), ("Of", r"it's a \ key")])),
            ("0/1/1".to_owned(), is(&[("id", "8"), ("Of", "x")])),
            ("0/2/0".to_owned(), is(&[("id", "7"), ("Of", r"it's a \ key")])),
        ];
        let batches = batches(rows);
        assert_eq!(batches.len(), 1);
        assert_eq!(batches[0].letters, ["0/1/0", "0/2/0", "0/1/1"]);
        assert!(batches[0].former_keys.is_empty());
        expect![[r#"("Of" = E'it''s a \\ key' AND "id" = E'7') OR ("Of" = E'x' AND "id" = E'8')"#]]
            .assert_eq(&batches[0].condition);
    }

    #[test]
    fn a_lost_key_is_queried_with_its_row() {
        let moved = Rows {
            row: Some(key(&[("id", "8")])),
            former: Some(key(&[("id", "7")])),
        };
        let deleted = Rows {
            row: None,
            former: Some(key(&[("id", "8")])),
        };
        let batches = batches(vec![("0/1/0".to_owned(), moved), ("0/2/0".to_owned(), deleted)]);
        assert_eq!(batches.len(), 1);
        let former = [key(&[("id", "7")]), key(&[("id", "8")])].map(FormerKey);
        assert_eq!(batches[0].former_keys, former);
        expect![[r#"("id" = E'8') OR ("id" = E'7')"#]].assert_eq(&batches[0].condition);
    }

    #[test]
    fn limits_requests_in_one_batch() {
        let sizes =
            |batches: Vec<Batch>| -> Vec<usize> { batches.iter().map(|batch| batch.rows.len()).collect() };
        assert_eq!(sizes(batches(by_id(450))), [200, 200, 50]);
        let long = "x".repeat(CONDITION_BYTES_MAX);
        let mut rows = by_id(2);
        rows.insert(1, ("0/9/0".to_owned(), is(&[("id", &long)])));
        assert_eq!(sizes(batches(rows)), [1, 1, 1]);
        let same = (0..1_200).map(|letter| (format!("0/{letter}/0"), is(&[("id", "1")])));
        let letters: Vec<usize> = batches(same.collect())
            .iter()
            .map(|batch| batch.letters.len())
            .collect();
        assert_eq!(letters, [500, 500, 200]);
        assert!(batches(Vec::new()).is_empty());
    }

    /// Quoted names and strings of a condition, as the server's lexer reads them, and the remaining text.
    /// <https://www.postgresql.org/docs/current/sql-syntax-lexical.html>
    fn lex(condition: &str) -> (Vec<(String, String)>, String) {
        let mut characters = condition.chars().peekable();
        let (mut pairs, mut name, mut between) = (Vec::new(), String::new(), String::new());
        while let Some(character) = characters.next() {
            match character {
                '"' | '\'' => {
                    let is_escaped = character == '\'' && between.ends_with('E');
                    let mut text = String::new();
                    loop {
                        let next = characters.next().expect("a quote ends");
                        if next == character && characters.next_if_eq(&character).is_none() {
                            break;
                        }
                        match next {
                            '\\' if is_escaped => text.extend(characters.next()),
                            next => text.push(next),
                        }
                    }
                    match character {
                        '"' => name = text,
                        _ => pairs.push((std::mem::take(&mut name), text)),
                    }
                }
                other => between.push(other),
            }
        }
        (pairs, between)
    }

    proptest! {
        #[test]
        fn any_key_value_is_quoted_exactly(
            keys in vec(btree_map("[^\0]{1,8}", "[^\0]{0,12}", 1..4), 1..4)
        ) {
            let rows = |key: &RowKey| Rows { row: Some(key.clone()), former: None };
            let letters = keys.iter().enumerate().map(|(place, key)| (place.to_string(), rows(key)));
            let batches = batches(letters.collect());
            let (pairs, between) = lex(&batches[0].condition);
            let mut distinct: Vec<&RowKey> = Vec::new();
            keys.iter().for_each(|key| if !distinct.contains(&key) { distinct.push(key) });
            prop_assert_eq!(pairs, distinct.iter().flat_map(|key| (*key).clone()).collect::<Vec<_>>());
            let plain: Vec<String> = distinct
                .iter()
                .map(|key| format!("({})", vec![" = E"; key.len()].join(" AND ")))
                .collect();
            prop_assert_eq!(between, plain.join(OR));
        }

        #[test]
        fn a_table_pattern_matches_only_that_table(
            namespace in "[^\0]{1,8}", name in "[^\0]{1,8}", other in "[^\0]{1,8}"
        ) {
            let table = TableName { namespace, name };
            let pattern: TablePattern = exactly(&table).parse().expect("a valid pattern");
            prop_assert!(pattern.matches(&table));
            let another = TableName { name: other, ..table.clone() };
            prop_assert_eq!(pattern.matches(&another), another == table);
        }
    }
}
