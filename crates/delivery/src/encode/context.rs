//! Context of the open transaction, which the application sets by messages.

use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;
use walcast_mapper::{ContextRule, MapperConfig, TransactionContext};
use walcast_pgoutput::LogicalMessage;

use crate::metrics::{ContextErrorLabels, Metrics};

/// Reader of contexts, which reports those that cannot be sent. Nothing that a message contains ends the stream.
pub(crate) struct ContextReader<'a> {
    rule: ContextRule,
    metrics: &'a Metrics,
    /// Time of the last warning.
    warned_at: Option<Instant>,
    /// Number of errors since the last warning.
    unreported: u64,
}

/// An application that makes one error makes it in each transaction.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

impl<'a> ContextReader<'a> {
    pub(crate) fn new(config: &MapperConfig, metrics: &'a Metrics) -> Self {
        Self {
            rule: ContextRule::new(&config.context),
            metrics,
            warned_at: None,
            unreported: 0,
        }
    }

    /// Begins a transaction, which has no context.
    pub(crate) fn begin(&mut self) {
        self.rule.begin();
    }

    /// Reads a message of the open transaction.
    pub(crate) fn read(&mut self, message: &LogicalMessage<'_>) {
        let Some(error) = self.rule.read(message.prefix, message.content) else {
            return;
        };
        let reason = error.as_str();
        let labels = ContextErrorLabels { reason };
        self.metrics.context_errors.get_or_create(&labels).inc();
        let now = Instant::now();
        if self.warned_at.is_some_and(|at| now < at + WARNING_INTERVAL) {
            self.unreported += 1;
            return;
        }
        warn!(
            prefix = message.prefix,
            lsn = %message.lsn,
            bytes = message.content.len(),
            reason,
            unreported = self.unreported,
            "context of a transaction cannot be sent: its changes are delivered without it"
        );
        self.warned_at = Some(now);
        self.unreported = 0;
    }

    /// Context of the next change.
    #[inline]
    pub(crate) fn current(&self) -> Option<&TransactionContext> {
        self.rule.current()
    }
}
