//! What the encoder of a session has beyond that of changes that were delivered before.

use crate::encode::owners::Owners;
use crate::encode::tables::streams::Streams;
use crate::quarantine::current::CurrentQuarantines;
use crate::state::outbox_topics::OutboxTopics;
use crate::state::outboxes::OutboxesState;
use crate::state::schemas::SchemasState;

/// What a session continues, and what it reports.
pub(crate) struct SessionTables<'a> {
    /// Tables to which the topics belong.
    pub(crate) owners: Owners,
    /// Tables that are set aside.
    pub(crate) quarantines: CurrentQuarantines,
    /// Streams of event stores.
    pub(crate) streams: Streams<'a>,
    /// State of the outboxes.
    pub(crate) outboxes: OutboxesState,
    /// Topics to which events of outboxes were sent.
    pub(crate) outbox_topics: OutboxTopics,
    /// Topics and schemas of tables, for observers.
    pub(crate) schemas: SchemasState,
}
