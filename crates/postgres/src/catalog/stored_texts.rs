//! Catalog queries whose texts the server cannot convert to UTF-8: they return the texts as they are stored, which are then converted one
//! by one. A text without equivalent is made readable as in the stream ([`without_bytes`]), so that both have the same names.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio_postgres::Row;
use tokio_postgres::types::{FromSqlOwned, ToSql, Type};
use walcast_pgoutput::recode::without_bytes;

use super::catalog_row::CatalogRow;
use crate::connect::Client;
use crate::encoding::convert_names;
use crate::error::PostgresError;

/// Kind of a column of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Texts,
    /// Values in ASCII, or binary ones.
    Other,
}

impl Kind {
    fn of(of: &Type) -> Self {
        let texts = [Type::TEXT, Type::NAME, Type::VARCHAR];
        let arrays = [Type::TEXT_ARRAY, Type::NAME_ARRAY, Type::VARCHAR_ARRAY];
        if texts.contains(of) {
            Kind::Text
        } else if arrays.contains(of) {
            Kind::Texts
        } else {
            Kind::Other
        }
    }
}

/// All rows of a result, in a database with this encoding.
pub(super) async fn rows(
    client: &Client,
    encoding: &str,
    doing: &'static str,
    sql: &str,
    parameters: &[(&(dyn ToSql + Sync), Type)],
) -> Result<Vec<CatalogRow>, PostgresError> {
    let types: Vec<Type> = parameters.iter().map(|(_, of)| of.clone()).collect();
    let prepared = client.attempted(doing, client.prepare_typed(sql, &types)).await?;
    let columns = prepared.columns().iter();
    let kinds: Vec<Kind> = columns.map(|column| Kind::of(column.type_())).collect();
    let as_stored = as_stored(sql, &kinds);
    let rows = client
        .attempted(doing, client.query_typed(&as_stored, parameters))
        .await?;
    let mut texts: HashSet<Vec<u8>> = HashSet::new();
    for row in &rows {
        for (index, kind) in kinds.iter().enumerate() {
            match kind {
                Kind::Text => texts.extend(value::<Vec<u8>>(doing, row, index)?),
                Kind::Texts => texts.extend(value::<Vec<Vec<u8>>>(doing, row, index)?.into_iter().flatten()),
                Kind::Other => {}
            }
        }
    }
    texts.retain(|text| !text.is_ascii());
    let converted = convert_names(client, encoding, texts).await?;
    let known: HashMap<Vec<u8>, String> = converted
        .into_iter()
        .map(|(stored, converted)| {
            let converted = converted.and_then(|text| String::from_utf8(text).ok());
            let readable = converted.unwrap_or_else(|| without_bytes(&stored));
            (stored, readable)
        })
        .collect();
    let known = Arc::new(known);
    let rows = rows.into_iter();
    Ok(rows.map(|row| CatalogRow::stored(row, &known)).collect())
}

fn value<T: FromSqlOwned>(doing: &'static str, row: &Row, index: usize) -> Result<Option<T>, PostgresError> {
    row.try_get(index)
        .map_err(|error| PostgresError::of_query(doing, error))
}

/// Query that returns the texts of another one as bytes. Its rows keep their order.
fn as_stored(sql: &str, kinds: &[Kind]) -> String {
    let names: Vec<String> = (1..=kinds.len()).map(|number| format!("c{number}")).collect();
    let selected = names.iter().zip(kinds).map(|(name, kind)| match kind {
        Kind::Text => format!("convert_to(found.{name}::text, getdatabaseencoding())"),
        Kind::Texts => format!(
            "CASE WHEN found.{name} IS NOT NULL THEN ARRAY(\
             SELECT convert_to(one.text::text, getdatabaseencoding()) \
             FROM unnest(found.{name}) WITH ORDINALITY AS one (text, place) ORDER BY one.place) END"
        ),
        Kind::Other => format!("found.{name}"),
    });
    let selected: Vec<String> = selected.collect();
    format!(
        "SELECT {} FROM (\n{sql}\n) AS found ({})",
        selected.join(", "),
        names.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use tokio_postgres::types::Type;

    use super::{Kind, as_stored};

    #[test]
    fn texts_are_selected_as_bytes() {
        let kinds = [Type::OID, Type::TEXT, Type::TEXT_ARRAY].map(|of| Kind::of(&of));
        assert_eq!(kinds, [Kind::Other, Kind::Text, Kind::Texts]);
        assert_eq!(
            as_stored("SELECT 1, 'a'", &kinds[..2]),
            "SELECT found.c1, convert_to(found.c2::text, getdatabaseencoding()) FROM (\nSELECT 1, 'a'\n) AS found (c1, c2)"
        );
        assert!(as_stored("SELECT 1", &kinds).contains("FROM unnest(found.c3) WITH ORDINALITY"));
    }
}
