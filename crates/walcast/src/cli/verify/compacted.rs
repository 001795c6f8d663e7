//! Second reading of a compacted topic whose keys differ: compaction may have removed the newest record of a key up to the position after
//! an older one was read.

use walcast_kafka::{TopicReader, is_replayed};
use walcast_verify::{Comparison, Tally, VerifyError};

use super::compared::{Sides, Unit, failed, selection};

impl Sides<'_> {
    /// Notes which records of the keys that differ are there now.
    pub(super) async fn read_again(
        &mut self,
        unit: &Unit,
        tally: &Tally,
        comparison: &mut Comparison,
    ) -> anyhow::Result<()> {
        let keys = tally.differing();
        let mut records = TopicReader::start(self.config.kafka.clone(), selection(unit));
        while let Some(raw) = records.next().await? {
            if is_replayed(&raw) {
                continue;
            }
            let Some(record) = self.decoder.decode(&raw).await? else {
                continue;
            };
            if let Some(key) = &record.key {
                let added = comparison.add_again(key, record.place, keys.as_ref());
                added.map_err(|error| failed(VerifyError::File(error)))?;
            }
        }
        Ok(())
    }
}
