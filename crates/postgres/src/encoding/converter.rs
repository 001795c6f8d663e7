//! Conversion of texts by the server, one by one.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio_postgres::types::{ToSql, Type};
use walcast_delivery::sql::literal;
use walcast_pgoutput::recode::{Converted, TextConversion};
use walcast_pgoutput::{FrameBlock, recode_copied};

use crate::connect::Client;
use crate::error::{PostgresError, ServerError};

const DOING: &str = "converting texts to UTF-8";

/// Limit of the texts of one query, in bytes; a larger text is converted alone.
const BATCH_BYTES: usize = 1024 * 1024;

/// Limit of the texts of one query.
const BATCH_TEXTS: usize = 10_000;

/// Converter of texts from the encoding of a database to UTF-8, by the server's own conversion.
#[derive(Clone)]
pub(crate) struct Converter {
    client: Arc<Client>,
    query: Arc<str>,
}

impl Converter {
    pub(super) fn new(client: Arc<Client>, encoding: &str) -> Self {
        Self {
            client,
            query: query(encoding).into(),
        }
    }

    /// Converts the texts of a block.
    pub(super) async fn block(&self, block: &FrameBlock) -> Result<FrameBlock, PostgresError> {
        let mut found = Found::default();
        let unchanged = block.recode(&mut found);
        if found.0.is_empty() {
            return Ok(unchanged);
        }
        let mut known = convert(&self.client, &self.query, found).await?;
        Ok(block.recode(&mut known))
    }

    /// Converts the values of rows of COPY.
    pub(super) async fn rows(&self, rows: Vec<u8>) -> Result<Vec<u8>, PostgresError> {
        let mut found = Found::default();
        let unchanged = recode_copied(&rows, &mut found);
        debug_assert!(unchanged.is_none(), "texts are only collected");
        if found.0.is_empty() {
            return Ok(rows);
        }
        let mut known = convert(&self.client, &self.query, found).await?;
        Ok(recode_copied(&rows, &mut known).unwrap_or(rows))
    }
}

/// Names of a database with this encoding, with their equivalents in UTF-8; `None` is a name without one.
pub(super) async fn names(
    client: &Client,
    encoding: &str,
    names: HashSet<Vec<u8>>,
) -> Result<HashMap<Vec<u8>, Option<Vec<u8>>>, PostgresError> {
    Ok(convert(client, &query(encoding), Found(names)).await?.0)
}

fn query(encoding: &str) -> String {
    format!(
        "SELECT convert(t.text, {}, 'UTF8') FROM unnest($1) WITH ORDINALITY AS t (text, place) ORDER BY t.place",
        literal(encoding)
    )
}

/// Converts texts. The server rejects a whole query for one text without equivalent, so that a rejected batch is halved until the text is
/// found.
async fn convert(client: &Client, query: &str, found: Found) -> Result<Known, PostgresError> {
    let texts: Vec<Vec<u8>> = found.0.into_iter().collect();
    let mut known = HashMap::with_capacity(texts.len());
    let mut pending = batches(&texts);
    while let Some(batch) = pending.pop() {
        match converted(client, query, batch).await {
            Ok(converted) => {
                let converted = converted.into_iter().map(Some);
                known.extend(batch.iter().cloned().zip(converted));
            }
            Err(error) if !error.server_error().is_some_and(ServerError::is_untranslatable) => {
                return Err(error);
            }
            Err(_) => match batch {
                [text] => {
                    known.insert(text.clone(), None);
                }
                several => {
                    let (first, second) = several.split_at(several.len() / 2);
                    pending.extend([first, second]);
                }
            },
        }
    }
    Ok(Known(known))
}

async fn converted(client: &Client, query: &str, texts: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, PostgresError> {
    let texts: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
    let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&texts, Type::BYTEA_ARRAY)];
    let answer = client.query_typed(query, &parameters);
    let rows = client.attempted(DOING, answer).await?;
    let converted: Result<Vec<Vec<u8>>, _> = rows.iter().map(|row| row.try_get(0)).collect();
    let converted = converted.map_err(|error| PostgresError::of_query(DOING, error))?;
    if converted.len() == texts.len() {
        Ok(converted)
    } else {
        Err(PostgresError::UnexpectedAnswer {
            doing: DOING,
            answer: format!("{} rows", converted.len()),
        })
    }
}

/// Texts in batches for one query each.
fn batches(texts: &[Vec<u8>]) -> Vec<&[Vec<u8>]> {
    let mut batches = Vec::new();
    let mut rest = texts;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = |text: &&Vec<u8>| {
            bytes += text.len();
            bytes <= BATCH_BYTES
        };
        let count = rest.iter().take(BATCH_TEXTS).take_while(fits).count().max(1);
        let (batch, after) = rest.split_at(count);
        batches.push(batch);
        rest = after;
    }
    batches
}

/// Texts that are to be converted.
#[derive(Default)]
struct Found(HashSet<Vec<u8>>);

impl TextConversion for Found {
    fn keeps_values(&self) -> bool {
        false
    }

    fn convert<'t>(&'t mut self, text: &'t [u8]) -> Converted<'t> {
        if !self.0.contains(text) {
            self.0.insert(text.to_owned());
        }
        Converted::Text(text)
    }
}

/// Texts with their equivalents in UTF-8.
struct Known(HashMap<Vec<u8>, Option<Vec<u8>>>);

impl TextConversion for Known {
    fn keeps_values(&self) -> bool {
        false
    }

    fn convert<'t>(&'t mut self, text: &'t [u8]) -> Converted<'t> {
        match self.0.get(text) {
            Some(Some(converted)) => Converted::Text(converted),
            Some(None) | None => Converted::NotText,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BATCH_BYTES, BATCH_TEXTS, batches};

    #[test]
    fn batches_are_limited_and_hold_every_text() {
        assert_eq!(batches(&[]).len(), 0);
        let large = vec![vec![0; BATCH_BYTES + 1], vec![1; BATCH_BYTES], vec![2]];
        let lengths: Vec<usize> = batches(&large).iter().map(|batch| batch.len()).collect();
        assert_eq!(lengths, [1, 1, 1]);
        let many = vec![vec![0; 2]; BATCH_TEXTS + 1];
        let lengths: Vec<usize> = batches(&many).iter().map(|batch| batch.len()).collect();
        assert_eq!(lengths, [BATCH_TEXTS, 1]);
    }
}
