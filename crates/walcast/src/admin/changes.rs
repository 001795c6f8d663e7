//! Changes by table and operation, and dead letters by table and reason, parsed from their exposition: the metrics library
//! cannot list the members of a family.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use walcast_delivery::{ChangeLabels, DeadLetterLabels, EventLabels};

/// Count by table, then by operation or reason.
pub(super) type Counts = BTreeMap<String, BTreeMap<String, u64>>;

/// Number of changes by table, then by operation.
pub(super) fn by_table(changes: &Family<ChangeLabels, Counter>) -> Result<Counts, fmt::Error> {
    let mut registry = Registry::default();
    registry.register(NAME, "", changes.clone());
    counts(&registry, "operation")
}

/// Number of dead letters by table, then by reason.
pub(super) fn dead_letters_by_table(
    letters: &Family<DeadLetterLabels, Counter>,
) -> Result<Counts, fmt::Error> {
    let mut registry = Registry::default();
    registry.register(NAME, "", letters.clone());
    counts(&registry, "reason")
}

/// Number of events by table, then by whether the event before them is known.
pub(super) fn events_by_table(events: &Family<EventLabels, Counter>) -> Result<Counts, fmt::Error> {
    let mut registry = Registry::default();
    registry.register(NAME, "", events.clone());
    counts(&registry, "predecessor")
}

/// Name of the family in the exposition; used in this file only.
const NAME: &str = "family";

fn counts(registry: &Registry, label: &str) -> Result<Counts, fmt::Error> {
    let mut text = String::new();
    encode_registry(&mut text, registry)?;
    let mut tables = Counts::new();
    for (table, value, count) in text.lines().filter_map(|line| sample(line, label)) {
        tables.entry(table).or_default().insert(value, count);
    }
    Ok(tables)
}

/// `family_total{table="public.orders",operation="insert"} 5`; a table's name may contain any character; quotes are escaped.
fn sample(line: &str, label: &str) -> Option<(String, String, u64)> {
    let labels = line.strip_prefix("family_total{table=\"")?;
    let (labels, count) = labels.rsplit_once("\"} ")?;
    let (table, value) = labels.rsplit_once(&format!("\",{label}=\""))?;
    Some((unescaped(table), value.to_owned(), count.parse().ok()?))
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

    #[test]
    fn dead_letters_are_listed_by_reason() {
        let letters = Family::<DeadLetterLabels, Counter>::default();
        let labels = DeadLetterLabels {
            table: "public.orders".to_owned(),
            reason: "size",
        };
        letters.get_or_create(&labels).inc_by(3);
        let tables = dead_letters_by_table(&letters).unwrap();
        assert_eq!(tables["public.orders"]["size"], 3);
    }
}
