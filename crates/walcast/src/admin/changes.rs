//! Changes by table and operation, read back from their exposition: the metrics library lets nobody list a family.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use walcast_delivery::ChangeLabels;

/// Number of changes by table, then by operation.
pub(super) fn by_table(
    changes: &Family<ChangeLabels, Counter>,
) -> Result<BTreeMap<String, BTreeMap<String, u64>>, fmt::Error> {
    let mut registry = Registry::default();
    registry.register("changes", "", changes.clone());
    let mut text = String::new();
    encode_registry(&mut text, &registry)?;
    let mut tables: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for (table, operation, count) in text.lines().filter_map(sample) {
        tables.entry(table).or_default().insert(operation, count);
    }
    Ok(tables)
}

/// `changes_total{table="public.orders",operation="insert"} 5`; a table's name can hold anything, quotes escaped.
fn sample(line: &str) -> Option<(String, String, u64)> {
    let labels = line.strip_prefix("changes_total{table=\"")?;
    let (labels, count) = labels.rsplit_once("\"} ")?;
    let (table, operation) = labels.rsplit_once("\",operation=\"")?;
    Some((unescaped(table), operation.to_owned(), count.parse().ok()?))
}

fn unescaped(value: &str) -> String {
    let mut plain = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => plain.extend(
                characters
                    .next()
                    .map(|escaped| if escaped == 'n' { '\n' } else { escaped }),
            ),
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_listed_whatever_its_name() {
        let changes = Family::<ChangeLabels, Counter>::default();
        let odd = "public.a\"} 7 \\ \n,operation=\"x";
        for (table, operation, count) in [
            ("public.orders", "insert", 5),
            ("public.orders", "delete", 2),
            (odd, "update", 1),
        ] {
            changes
                .get_or_create(&ChangeLabels {
                    table: table.to_owned(),
                    operation,
                })
                .inc_by(count);
        }
        let tables = by_table(&changes).unwrap();
        assert_eq!(tables.len(), 2);
        assert_eq!(
            tables["public.orders"],
            BTreeMap::from([("insert".to_owned(), 5), ("delete".to_owned(), 2)])
        );
        assert_eq!(tables[odd], BTreeMap::from([("update".to_owned(), 1)]));
    }
}
