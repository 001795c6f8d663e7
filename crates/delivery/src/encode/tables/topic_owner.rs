//! Assignment of topics to tables.

use walcast_mapper::names;
use walcast_mapper::{MapError, TableName};
use walcast_pgoutput::Relation;

use crate::encode::encode_error::EncodeError;
use crate::encode::owners::Owner;
use crate::encode::ports::EncodePorts;
use crate::encode::tables::TableEncoder;
use crate::error::DeliveryError;
use crate::ports::catalog::RowsCatalog;
use crate::source_state::CapturedTable;

impl<E: EncodePorts> TableEncoder<'_, E> {
    /// Assigns a topic to a table, unless the topic belongs to another table, or to a table that was recreated under
    /// the owner's name.
    pub(super) async fn claim(&mut self, topic: &str, relation: &Relation) -> Result<(), EncodeError> {
        let claimant = Owner {
            oid: relation.oid,
            name: TableName::from(relation),
        };
        // Only the topics that rows of an outbox name are there.
        if let Some(outbox) = self.outbox_topics.outbox_of(topic) {
            return Err(EncodeError::Map(MapError::TopicOfOutbox {
                tables: Box::new((claimant.name, outbox)),
                topic: topic.to_owned(),
            }));
        }
        let Err(owner) = self.owners.claim(topic, claimant.clone()) else {
            return Ok(());
        };
        let owner = owner.clone();
        let source_state = self.catalog.inspect().await.map_err(DeliveryError::Source)?;
        let others = source_state
            .captured
            .iter()
            .filter(|table| table.oid != claimant.oid && table.name != claimant.name);
        let has_topic = |table: &&CapturedTable| {
            (table.oid == owner.oid && table.name == owner.name)
                || names::unrouted_topic(self.config, &table.name) == topic
        };
        if let Some(other) = others.into_iter().find(has_topic) {
            return Err(EncodeError::Map(MapError::SharedTopic {
                tables: Box::new((claimant.name, other.name.clone())),
                topic: topic.to_owned(),
            }));
        }
        self.owners.release(topic);
        let claimed = self.owners.claim(topic, claimant);
        debug_assert!(claimed.is_ok(), "the topic was just released");
        Ok(())
    }
}
