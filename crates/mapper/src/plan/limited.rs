//! Limits of the records of a plan.

use super::Plan;
use crate::limits::RecordLimits;

impl Plan {
    /// Sets limits: a change with a record that exceeds them cannot be mapped. Of an outbox they are those of
    /// [`Plan::limited_topic`].
    pub fn limit(&mut self, limits: RecordLimits) {
        match &mut self.outbox {
            Some(outbox) => outbox.limit(limits),
            None => self.limits = Some(limits),
        }
    }

    /// The limits of records.
    #[must_use]
    pub fn limits(&self) -> Option<RecordLimits> {
        match &self.outbox {
            Some(outbox) => outbox.limits(),
            None => self.limits,
        }
    }

    /// Demands limits for each topic that the rows of an outbox name.
    pub fn limit_new_topics(&mut self) {
        if let Some(outbox) = &mut self.outbox {
            outbox.limits_topics = true;
        }
    }

    /// Whether the topics that rows of an outbox name are to have limits.
    #[must_use]
    pub fn limits_new_topics(&self) -> bool {
        self.outbox.as_ref().is_some_and(|outbox| outbox.limits_topics)
    }

    /// Topic of the limits: the table's, or of an outbox that of the latest row.
    #[must_use]
    pub fn limited_topic(&self) -> &str {
        let of_row = self.outbox.as_ref().and_then(|outbox| outbox.topic());
        of_row.unwrap_or_else(|| self.topic())
    }
}
