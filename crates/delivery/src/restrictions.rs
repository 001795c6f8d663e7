//! Row filters and column lists with which tables were captured. They are used as they are; one that came later hides changes, until it
//! is removed or accepted.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use walcast_pgoutput::{Lsn, Oid};

use crate::drift::Drifted;
use crate::halt::Halt;
use crate::source_state::restriction::{RestrictedBy, Restriction};
use crate::source_state::{CapturedTable, SourceState};
use crate::sql;

/// Restrictions of the known tables, by OID. A table without an entry was captured without one, and has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Restrictions(BTreeMap<u32, KnownRestriction>);

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KnownRestriction {
    /// Restriction with which the table was captured.
    #[serde(default, skip_serializing_if = "Restriction::is_empty")]
    accepted: Restriction,
    /// Restriction that came later, while it lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    later: Option<Later>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Later {
    by: RestrictedBy,
    /// End of WAL at the last inspection without it.
    #[serde(with = "crate::serde_text::as_text")]
    after: Lsn,
}

impl Restrictions {
    /// Restrictions of all captured tables as they are now.
    pub(crate) fn of(source_state: &SourceState) -> Self {
        Self::adopt(None, source_state, None)
    }

    /// Stored restrictions, with those of newly captured tables, which are not among the `known` ones, as they are now.
    pub(crate) fn adopt(
        stored: Option<&Self>,
        source_state: &SourceState,
        known: Option<&BTreeSet<Oid>>,
    ) -> Self {
        let entry = |table: &CapturedTable| {
            let stored = stored.filter(|_| known.is_none_or(|known| known.contains(&table.oid)));
            let entry = match stored {
                Some(stored) => stored.get(table),
                None => KnownRestriction {
                    accepted: now(source_state, table),
                    later: None,
                },
            };
            (entry != KnownRestriction::default()).then(|| (table.oid.as_u32(), entry))
        };
        Self(source_state.captured.iter().filter_map(entry).collect())
    }

    /// Findings about restrictions that came later. Those that are not recorded yet came after the end of WAL at `after`.
    #[must_use]
    pub fn findings(&self, source_state: &SourceState, publication: &str, after: Lsn) -> Vec<Drifted> {
        let captured = source_state.captured.iter();
        let findings = captured.filter_map(|table| {
            let known = self.get(table);
            let later = known.later(&now(source_state, table), after)?;
            Some(known.finding(table, publication, later))
        });
        findings.collect()
    }

    /// Findings as recorded by the last [`Restrictions::record`].
    pub(crate) fn recorded(&self, source_state: &SourceState, publication: &str) -> Vec<Drifted> {
        let captured = source_state.captured.iter();
        let findings = captured.filter_map(|table| {
            let known = self.get(table);
            Some(known.finding(table, publication, known.later?))
        });
        findings.collect()
    }

    /// Records which restrictions came later, and which of them are gone. Returns whether anything has changed.
    pub(crate) fn record(&mut self, source_state: &SourceState, after: Lsn) -> bool {
        let before = self.clone();
        for table in &source_state.captured {
            let mut known = self.get(table);
            known.later = known.later(&now(source_state, table), after);
            self.0.insert(table.oid.as_u32(), known);
        }
        self.0.retain(|_, known| *known != KnownRestriction::default());
        *self != before
    }

    fn get(&self, table: &CapturedTable) -> KnownRestriction {
        self.0.get(&table.oid.as_u32()).cloned().unwrap_or_default()
    }
}

impl KnownRestriction {
    fn later(&self, now: &Restriction, after: Lsn) -> Option<Later> {
        let by = now.exceeds(&self.accepted)?;
        let recorded = self.later.filter(|later| later.by == by);
        Some(recorded.unwrap_or(Later { by, after }))
    }

    fn finding(&self, table: &CapturedTable, publication: &str, later: Later) -> Drifted {
        let was_complete = self.accepted.is_empty();
        Drifted {
            finding: Halt::Restricted {
                table: table.name.clone(),
                publication: publication.to_owned(),
                by: later.by,
                sql: was_complete.then(|| sql::remove_restriction(publication, &table.name)),
            },
            after: later.after,
        }
    }
}

/// Restriction of a captured table.
fn now(source_state: &SourceState, table: &CapturedTable) -> Restriction {
    let publication = source_state.publication.as_ref();
    let found = publication.and_then(|publication| publication.restricted.get(&table.name));
    found.cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests;
