//! Outboxes that are polled, from `[[outbox]]` and `[outbox.poll]`.

use std::time::Duration;

use walcast_delivery::{Guarantee, OnError};
use walcast_mapper::config::{OutboxRule, OutboxSource, PollSettings, PublishedMark};

use super::check::Check;
use crate::config::duration::ConfigDuration;
use crate::config::error::{ConfigError, Fault};
use crate::config::raw::{RawConfig, RawPostgres};

/// Each worker has a session of the server and a producer.
const WORKERS_MAX: u64 = 64;
/// The keys of the rows are one record of the checkpoint topic.
const BATCH_ROWS_MAX: u64 = 5_000;
/// A shorter interval costs more queries than a notification.
const INTERVAL_MIN: Duration = Duration::from_millis(10);
const INTERVAL_MAX: Duration = Duration::from_secs(3600);
/// Postgres notifies no channel with a longer name, and truncates that of `LISTEN`.
const CHANNEL_BYTES_MAX: usize = 63;

impl Check<'_> {
    /// Rules of the outboxes that are polled; empty for a connector that streams.
    pub(super) fn polled(&self, raw: &RawConfig) -> Result<Vec<OutboxRule>, ConfigError> {
        let is_polled = |rule: &&OutboxRule| rule.source == OutboxSource::Poll;
        if !raw.outbox.iter().any(|rule| is_polled(&rule)) {
            let unused = |rule: &OutboxRule| rule.preset.is_none() && rule.poll != PollSettings::default();
            return match raw.outbox.iter().position(unused) {
                None => Ok(Vec::new()),
                Some(index) => {
                    let fault = Fault::Without {
                        key: "outbox.poll",
                        needs: "source = \"poll\"",
                    };
                    Err(self.document.error_at(&format!("outbox[{index}].poll"), fault))
                }
            };
        }
        let mut outboxes = raw.outbox.iter().enumerate();
        if let Some((index, rule)) = outboxes.find(|(_, rule)| !is_polled(rule)) {
            let wanted =
                "\"poll\" for every outbox of a connector, or for none: a connector that polls has no slot";
            let place = format!("outbox[{index}].source");
            return Err(self.wrong_at(&place, "outbox.source", &rule.source.to_string(), wanted));
        }
        let wanted = "no event stores where outboxes are polled: stream them with a connector of their own";
        self.rule("event_store", "set", wanted, raw.event_store.is_empty())?;
        let wanted = "no snapshots of streams where outboxes are polled";
        self.rule("stream_snapshots", "set", wanted, raw.stream_snapshots.is_empty())?;
        let tables = &raw.postgres.tables;
        let wanted = "no tables where outboxes are polled: stream other tables with a connector of their own";
        let holds = *tables == RawPostgres::default().tables;
        self.rule("postgres.tables", &tables.join(", "), wanted, holds)?;
        let wanted = "exactly_once where outboxes are polled";
        let holds = raw.kafka.delivery_guarantee == Guarantee::ExactlyOnce;
        self.rule("kafka.delivery_guarantee", "at_least_once", wanted, holds)?;
        self.no_quarantine(raw)?;
        for (index, rule) in raw.outbox.iter().enumerate() {
            self.poll_settings(index, &rule.poll)?;
        }
        Ok(raw.outbox.clone())
    }

    /// The rows of an outbox stay in their table, so that it needs no quarantine.
    fn no_quarantine(&self, raw: &RawConfig) -> Result<(), ConfigError> {
        let wanted = "halt or dead_letter where outboxes are polled";
        let holds = raw.dead_letters.on_error != OnError::Quarantine;
        self.rule("dead_letters.on_error", "quarantine", wanted, holds)?;
        let mut rules = raw.dead_letters.rules.iter();
        match rules.position(|rule| rule.on_error == OnError::Quarantine) {
            None => Ok(()),
            Some(index) => {
                let place = format!("dead_letters.rules[{index}].on_error");
                Err(self.wrong_at(&place, "dead_letters.rules.on_error", "quarantine", wanted))
            }
        }
    }

    fn poll_settings(&self, index: usize, poll: &PollSettings) -> Result<(), ConfigError> {
        let place = |key: &str| format!("outbox[{index}].poll.{key}");
        for (name, key, value, min, max) in [
            (
                "workers",
                "outbox.poll.workers",
                u64::from(poll.workers),
                1,
                WORKERS_MAX,
            ),
            (
                "batch_rows",
                "outbox.poll.batch_rows",
                u64::from(poll.batch_rows),
                1,
                BATCH_ROWS_MAX,
            ),
        ] {
            if !(min..=max).contains(&value) {
                let fault = Fault::Range { key, value, min, max };
                return Err(self.document.error_at(&place(name), fault));
            }
        }
        if !(INTERVAL_MIN..=INTERVAL_MAX).contains(&poll.interval) {
            let value = ConfigDuration::new(poll.interval).to_string();
            let wanted = "a duration between \"10ms\" and \"1h\"";
            return Err(self.wrong_at(&place("interval"), "outbox.poll.interval", &value, wanted));
        }
        let is_channel = |name: &String| (1..=CHANNEL_BYTES_MAX).contains(&name.len());
        if let Some(channel) = poll.notify.as_ref().filter(|name| !is_channel(name)) {
            let wanted = "the name of a channel, of at most 63 bytes";
            return Err(self.wrong_at(&place("notify"), "outbox.poll.notify", channel, wanted));
        }
        if poll.order_by.is_empty() {
            let wanted = "at least one column";
            return Err(self.wrong_at(&place("order_by"), "outbox.poll.order_by", "[]", wanted));
        }
        let deletes = poll.published.contains(&PublishedMark::Delete);
        if poll.published.is_empty() || deletes && poll.published.len() > 1 {
            let all: Vec<String> = poll.published.iter().map(ToString::to_string).collect();
            let wanted = "at least one column, or delete alone";
            return Err(self.wrong_at(
                &place("published"),
                "outbox.poll.published",
                &all.join(", "),
                wanted,
            ));
        }
        Ok(())
    }
}
