//! Topic owners: the table to which each topic belongs. Two tables in one topic would mix their rows, and a role that
//! may create a table could write rows of another one.
//!
//! Several tables may share a topic only through a route: the topics derived from their names then differ.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use walcast_mapper::names;
use walcast_mapper::{MapperConfig, TableName};
use walcast_pgoutput::Oid;

use crate::encode::dead_letters::config::DeadLetterConfig;
use crate::halt::Halt;
use crate::source_state::{CapturedTable, SourceState};

/// Table by OID and name: a renamed table keeps its OID, a recreated table keeps its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) oid: Oid,
    pub(crate) name: TableName,
}

impl Owner {
    /// Whether this is the same table, renamed or recreated.
    fn is(&self, other: &Owner) -> bool {
        self.oid == other.oid || self.name == other.name
    }
}

/// Topics of one session, each with the table to which it belongs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Owners(HashMap<String, Owner>);

impl Owners {
    /// Topics of the captured tables, and findings that keep the connector from starting: pairs of tables with one
    /// topic. The connector may start if an undeliverable change of one of them does not halt it.
    pub(crate) fn of(
        source_state: &SourceState,
        mapper: &MapperConfig,
        dead_letters: &DeadLetterConfig,
    ) -> (Self, Vec<Halt>) {
        let mut captured: Vec<&CapturedTable> = source_state.captured.iter().collect();
        // The older table comes first, as far as OIDs show.
        captured.sort_by_key(|table| (!dead_letters.halts(&table.name), table.oid));
        let (mut owners, mut findings) = (Self::default(), Vec::new());
        for table in captured {
            let topic = names::unrouted_topic(mapper, &table.name);
            let claimant = Owner {
                oid: table.oid,
                name: table.name.clone(),
            };
            if let Err(owner) = owners.claim(&topic, claimant)
                && dead_letters.halts(&table.name)
            {
                let tables = Box::new([owner.name.clone(), table.name.clone()]);
                findings.push(Halt::SharedTopic { tables, topic });
            }
        }
        (owners, findings)
    }

    /// Assigns a topic to a table, unless the topic belongs to another one.
    ///
    /// # Errors
    ///
    /// Returns the other table.
    pub(crate) fn claim(&mut self, topic: &str, claimant: Owner) -> Result<(), &Owner> {
        match self.0.entry(topic.to_owned()) {
            Entry::Vacant(free) => {
                free.insert(claimant);
            }
            Entry::Occupied(mut taken) if taken.get().is(&claimant) => {
                taken.insert(claimant);
            }
            Entry::Occupied(taken) => return Err(taken.into_mut()),
        }
        Ok(())
    }

    /// Whether a topic holds the rows of a table, which has a topic of its own or a route to it. The rows of an outbox are events in
    /// other topics.
    pub(crate) fn holds_rows(&self, topic: &str, mapper: &MapperConfig) -> bool {
        let tables = self.0.iter();
        let mut tables = tables.filter(|(_, owner)| !mapper.sends_events(&owner.name));
        tables.any(|(own, owner)| own == topic || names::topic(mapper, &owner.name) == topic)
    }

    /// Releases a topic whose table was dropped or renamed.
    pub(crate) fn release(&mut self, topic: &str) {
        self.0.remove(topic);
    }
}

/// Findings about captured tables whose names lead to one topic, which keep the connector from starting or would mix
/// changes of two tables.
#[must_use]
pub fn topic_findings(
    source_state: &SourceState,
    mapper: &MapperConfig,
    dead_letters: &DeadLetterConfig,
) -> Vec<Halt> {
    Owners::of(source_state, mapper, dead_letters).1
}

#[cfg(test)]
mod tests;
