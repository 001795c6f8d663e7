//! The events of transactions in topics, and the counts of their ends.

use std::collections::BTreeMap;
use std::io;

use walcast_mapper::TableName;
use walcast_mapper::config::Shape;
use walcast_pgoutput::Lsn;
use walcast_verify::{Place, Transactions, Value, WholeTransactions, recorded_table};

use crate::config::Config;

/// Position of the oldest record of each table in a topic.
pub(super) type Oldest = BTreeMap<String, Lsn>;

/// Events by transaction and table, while topics are read.
pub(super) struct EventsOfTransactions {
    counts: Transactions,
    /// Tables whose topic has every event from a position on.
    complete: BTreeMap<String, Lsn>,
}

impl EventsOfTransactions {
    /// No event yet; `None` if there is no transaction topic, or if the values do not name their table.
    pub(super) fn new(config: &Config) -> Option<Self> {
        let is_sent = config.mapper.events.transactions && config.mapper.shape == Shape::Debezium;
        is_sent.then(|| Self {
            counts: Transactions::new(),
            complete: BTreeMap::new(),
        })
    }

    /// Adds a record of a topic, if it is the event of a change before `limit`, and notes the oldest record of its table.
    pub(super) fn add(
        &mut self,
        value: Option<&Value>,
        position: Place,
        limit: Lsn,
        oldest: &mut Oldest,
    ) -> io::Result<()> {
        let Some((schema, table)) = value.and_then(recorded_table) else {
            return Ok(());
        };
        let table = format!("{schema}.{table}");
        if position.is_change() && position.is_in_snapshot(limit) {
            self.counts.add_event(position.lsn, &table)?;
        }
        let first = oldest.entry(table).or_insert(position.lsn);
        *first = position.lsn.min(*first);
        Ok(())
    }

    /// Notes that the topic of these tables was read, and lacks none of its first records. It has every event of a table from the oldest
    /// record of this table on: that of another one may be from a time when the records of the table were in another topic.
    pub(super) fn end_topic(&mut self, tables: &[TableName], oldest: &Oldest) {
        for table in tables.iter().map(ToString::to_string) {
            if let Some(oldest) = oldest.get(&table) {
                self.complete.insert(table, *oldest);
            }
        }
    }

    /// Adds the end of a transaction before `limit`.
    pub(super) fn add_end(&mut self, end: &Value, commit: Lsn, limit: Lsn) -> io::Result<()> {
        let Some(Value::List(collections)) = end.get("data_collections") else {
            return Ok(());
        };
        for collection in collections {
            let table = collection.get("data_collection").and_then(Value::as_text);
            let (Some(table), Some(Value::Int(events))) = (table, collection.get("event_count")) else {
                continue;
            };
            let is_complete = self.complete.get(table).is_some_and(|since| *since <= commit);
            if commit < limit && is_complete {
                let events = u64::try_from(*events).unwrap_or_default();
                self.counts.add_end(commit, table, events)?;
            }
        }
        Ok(())
    }

    /// Compares the counts. At most `limit` transactions are listed.
    pub(super) fn check(&mut self, limit: usize) -> io::Result<WholeTransactions> {
        self.counts.check(limit)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_events_of_complete_topics_are_counted() {
        let limit = Lsn::new(100);
        let mut events = EventsOfTransactions {
            counts: Transactions::new(),
            complete: BTreeMap::new(),
        };
        let table = |name: &str| TableName {
            namespace: "public".to_owned(),
            name: name.to_owned(),
        };
        let mut oldest = Oldest::new();
        let event = Value::from(json!({"op": "c", "source": {"schema": "public", "table": "a"}}));
        for (lsn, value) in [
            (20, Some(&event)),
            (20, None),
            (30, Some(&event)),
            (100, Some(&event)),
        ] {
            let position = Place::of_change(Lsn::new(lsn), 0);
            events.add(value, position, limit, &mut oldest).unwrap();
        }
        // The topic of `b` was not read, and `c` shares that of `a` and has no record there.
        events.end_topic(&[table("a"), table("c")], &oldest);
        let end = |table: &str, count: u32| {
            let collection = json!({"data_collection": table, "event_count": count});
            Value::from(json!({"status": "END", "event_count": count, "data_collections": [collection]}))
        };
        for (lsn, table, count) in [
            (10, "public.a", 9),
            (20, "public.a", 1),
            (30, "public.a", 2),
            (30, "public.b", 9),
            (30, "public.c", 9),
            (100, "public.a", 9),
        ] {
            events.add_end(&end(table, count), Lsn::new(lsn), limit).unwrap();
        }
        let outcome = events.counts.check(10).unwrap();
        assert_eq!((outcome.checked, outcome.incomplete), (2, 1));
        assert_eq!((outcome.found[0].events, outcome.found[0].found), (2, 1));
    }
}
