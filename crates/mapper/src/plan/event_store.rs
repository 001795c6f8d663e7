//! Changes of an event store, as the order of its streams concerns them.

use walcast_pgoutput::Tuple;

use super::Plan;
use crate::change::RowChange;
use crate::error::{MapError, Violation};
use crate::outbox::event_store::{StoreChange, StreamEvent, StreamRules};
use crate::row::Row;

impl Plan {
    /// Rules for the streams of an event store; `None` for other tables.
    #[must_use]
    pub fn stream_rules(&self) -> Option<StreamRules> {
        self.event_store.as_ref().map(|store| store.rules())
    }

    /// What a change does to an event store; `None` for other tables.
    ///
    /// # Errors
    /// The row has no stream or no version.
    pub fn store_change(&self, change: &RowChange<'_>) -> Result<Option<StoreChange>, MapError> {
        let Some(store) = &self.event_store else {
            return Ok(None);
        };
        let known = store.change(change);
        known.map(Some).map_err(|fault| self.explain(fault))
    }

    /// The event with which a stream continues that a row which was read belongs to; `None` for other tables, for an event without a
    /// place in the order of its stream, and for an archived event, whose stream may have begun again.
    ///
    /// # Errors
    /// The row has no stream or no version.
    pub fn stream_event(&self, row: Tuple<'_>) -> Result<Option<StreamEvent>, MapError> {
        Ok(match self.store_change(&RowChange::Insert { new: row })? {
            Some(StoreChange::Appended(event)) => Some(event),
            _ => None,
        })
    }

    /// Checks that the rows of an event store can be read in the order of its streams.
    ///
    /// # Errors
    /// The store has no column with the number of an event.
    pub fn check_order(&self) -> Result<(), MapError> {
        match &self.event_store {
            Some(store) if !store.has_sequence() => Err(MapError::EventStoreUnordered {
                table: self.table.clone(),
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// Number by which rows of an event store are read in order; `None` if the row has none.
    #[must_use]
    pub fn event_sequence(&self, row: Tuple<'_>) -> Option<i64> {
        self.event_store.as_ref()?.sequence(&Row::new(row, None))
    }

    /// Reason why the latest event was encoded as it is stored, although its type has upcasters; `None` for other events.
    pub fn take_failed_upcast(&mut self) -> Option<MapError> {
        let upcasts = self.outbox.as_mut()?.upcasts.as_mut()?;
        let fault = upcasts.take_failed()?;
        Some(MapError::EventStoreUpcast {
            table: self.table.clone(),
            fault,
        })
    }

    /// Error of a change that violates the order of a stream or the immutability of an event.
    pub fn violation(&mut self, change: &RowChange<'_>, violation: Violation) -> MapError {
        let store = self.event_store.as_ref();
        let stream = store.and_then(|store| store.shown_stream(change, &mut self.scratch));
        MapError::EventStoreViolation {
            table: self.table.clone(),
            violation,
            version: store.and_then(|store| store.shown_version(change)),
            stream,
        }
    }
}
