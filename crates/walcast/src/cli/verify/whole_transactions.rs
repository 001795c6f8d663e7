//! Whether transactions are whole: the ends in the transaction topic count as many events as the topics have.

use walcast_kafka::{KafkaError, ReadFrom, TopicReader, TopicSelection};
use walcast_mapper::events::TransactionEvents;
use walcast_verify::{Place, VerifyError, WholeTransactions};

use super::compared::{DOING, Sides, failed};

impl Sides<'_> {
    /// Reads the transaction topic, once all other topics were read; `None` if it does not exist, or is not checked.
    pub(super) async fn whole_transactions(&mut self) -> anyhow::Result<Option<WholeTransactions>> {
        let Some(mut transactions) = self.transactions.take() else {
            return Ok(None);
        };
        let limit = self.lsn();
        let selection = TopicSelection {
            topic: TransactionEvents::new(&self.config.mapper)
                .topic
                .name()
                .to_owned(),
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
                // Nothing is known of transactions; rows are compared all the same.
                Err(KafkaError::UnknownTopic { .. } | KafkaError::EndHidden { .. }) => return Ok(None),
                Err(error) => return Err(error.into()),
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
