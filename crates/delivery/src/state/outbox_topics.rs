//! Topics to which events of outboxes were sent. A table that would have one of them is not captured any more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use walcast_mapper::{MapperConfig, TableName, names};
use walcast_pgoutput::Oid;

use crate::halt::Halt;
use crate::source_state::SourceState;

/// Topics to which events of outboxes were sent since the process was started, each with the outbox. Clones share the state.
#[derive(Clone, Debug, Default)]
pub struct OutboxTopics(Arc<Mutex<BTreeMap<String, TableName>>>);

impl OutboxTopics {
    /// Adds a topic that a row of an outbox has named.
    pub(crate) fn add(&self, topic: &str, outbox: &TableName) {
        self.lock().insert(topic.to_owned(), outbox.clone());
    }

    /// Names of the topics.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// The outbox whose events are in a topic.
    pub(crate) fn outbox_of(&self, topic: &str) -> Option<TableName> {
        self.lock().get(topic).cloned()
    }

    /// Removes the tables that are neither known nor published and whose topic holds events of an outbox. Returns a finding for each.
    pub(crate) fn leave_out(
        &self,
        source_state: &mut SourceState,
        known: Option<&BTreeSet<Oid>>,
        mapper: &MapperConfig,
    ) -> Vec<Halt> {
        let outboxes = self.lock();
        let mut findings = Vec::new();
        if outboxes.is_empty() {
            return findings;
        }
        let published = source_state.publication.as_ref();
        let is_published = |table: &TableName| published.is_some_and(|state| state.tables.contains(table));
        source_state.captured.retain(|table| {
            let name = &table.name;
            let is_known = known.is_none_or(|known| known.contains(&table.oid));
            if is_known || is_published(name) || mapper.sends_events(name) {
                return true;
            }
            let topic = names::topic(mapper, name);
            let Some(outbox) = outboxes.get(&topic) else {
                return true;
            };
            let tables = Box::new([name.clone(), outbox.clone()]);
            findings.push(Halt::TopicOfOutbox { tables, topic });
            false
        });
        findings
    }

    /// Locks the state. A poisoned lock is ignored: no code panics while holding it.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, TableName>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
