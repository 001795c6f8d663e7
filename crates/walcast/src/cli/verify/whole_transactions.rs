//! Whether transactions are whole: the ends in the transaction topic count as many events as the topics have.

use std::collections::BTreeMap;

use walcast_kafka::{KafkaError, PartitionRange, ReadFrom, TopicIndex, TopicReader, TopicSelection};
use walcast_mapper::events::TransactionEvents;
use walcast_verify::{Place, VerifyError, WholeTransactions};

use super::compared::{DOING, RETENTION, Sides, failed};

impl Sides<'_> {
    /// Reads the transaction topic, once all other topics were read; `None` if it does not exist, or is not checked. If it exists and
    /// cannot be read, it is added to `not_compared`: rows are compared all the same.
    pub(super) async fn whole_transactions(
        &mut self,
        not_compared: &mut BTreeMap<String, String>,
    ) -> anyhow::Result<Option<WholeTransactions>> {
        let Some(mut transactions) = self.transactions.take() else {
            return Ok(None);
        };
        let limit = self.lsn();
        let topic = TransactionEvents::new(&self.config.mapper)
            .topic
            .name()
            .to_owned();
        let index = TopicIndex::new(self.config.kafka.clone(), topic.clone(), DOING);
        let before = match index.partitions().await {
            Ok(partitions) => partitions,
            Err(KafkaError::UnknownTopic { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let selection = TopicSelection {
            topic: topic.clone(),
            partition: None,
            from: ReadFrom::Beginning,
            doing: DOING,
        };
        let file = |error| failed(VerifyError::File(error));
        let mut records = TopicReader::start(self.config.kafka.clone(), selection);
        loop {
            let raw = match records.next().await {
                Ok(Some(raw)) => raw,
                Ok(None) => break,
                Err(error @ KafkaError::EndHidden { .. }) => {
                    not_compared.insert(topic, error.to_string());
                    return Ok(None);
                }
                Err(error) => {
                    let after = index.partitions().await?;
                    if !has_lost(&before, &after) {
                        return Err(error.into());
                    }
                    not_compared.insert(topic, RETENTION.to_owned());
                    return Ok(None);
                }
            };
            let Some(record) = self.decoder.decode(&raw).await? else {
                continue;
            };
            let commit = record.id.as_deref().and_then(Place::commit_of_end);
            if let (Some(commit), Some(end)) = (commit, &record.value) {
                transactions.add_end(end, commit, limit).map_err(file)?;
            }
        }
        Ok(Some(transactions.check(self.limit).map_err(file)?))
    }
}

/// Whether retention has removed records of a topic meanwhile.
fn has_lost(before: &[PartitionRange], after: &[PartitionRange]) -> bool {
    let was_removed = |before: &PartitionRange| {
        let mut after = after.iter();
        after.any(|now| now.partition == before.partition && now.first > before.first)
    };
    before.iter().any(was_removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retention_raises_the_first_offset_of_a_partition() {
        let range = |partition, first| PartitionRange {
            partition,
            first,
            end: 100,
        };
        let before = [range(0, 0), range(1, 7)];
        assert!(!has_lost(&before, &[range(1, 7), range(0, 0), range(2, 5)]));
        assert!(has_lost(&before, &[range(0, 0), range(1, 8)]));
    }
}
