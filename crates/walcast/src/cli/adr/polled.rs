//! Sections about a connector whose outboxes are polled: it has no slot, no position and no snapshots.

use super::delivery::undeliverable;
use super::markdown::{code, codes};
use super::operation;
use crate::config::Config;

pub(super) fn delivery(config: &Config) -> Vec<String> {
    let mut lines = vec![
        "- **Exactly once.** The events and the keys of their rows are in one Kafka transaction, and the rows are marked after it. A \
         consumer with `isolation.level=read_committed` sees each event once, whatever crashes."
            .to_owned(),
    ];
    for rule in &config.polled {
        let tables = rule.tables.as_ref().map(ToString::to_string).unwrap_or_default();
        lines.push(format!(
            "- **Order.** Events of {} with the same key are in one partition, in the ascending order of {}.",
            code(&tables),
            codes(&rule.poll.order_by)
        ));
    }
    lines.extend(undeliverable(config));
    lines
}

pub(super) fn snapshots() -> Vec<String> {
    vec!["- There are none: every row that is not marked as published is sent.".to_owned()]
}

pub(super) fn lag(config: &Config) -> Vec<String> {
    if config.admin.listen.is_none() {
        return vec!["- There are no metrics: `[admin] listen` is not set.".to_owned()];
    }
    let labels = format!("{{connector=\"{}\"}}", config.name);
    let has_age = config.polled.iter().any(|rule| rule.poll.created.is_some());
    let backlog = match has_age {
        true => format!("max(walcast_outbox_poll_oldest_age_seconds{labels}) > [seconds]"),
        false => format!("max(walcast_outbox_poll_pending{labels}) > [rows]"),
    };
    let gate = format!("max(walcast_outbox_poll_gate_age_seconds{labels}) > [seconds]");
    vec![
        format!("- Alert on lag: {} for [time].", code(&backlog)),
        format!(
            "- Alert on a transaction for which rows wait: {} for [time].",
            code(&gate)
        ),
    ]
}

pub(super) fn verification() -> Vec<String> {
    vec!["- Outboxes are not compared: their rows are events in other topics.".to_owned()]
}

pub(super) fn replay(config: &Config) -> Vec<String> {
    vec![
        "- There is no position to rewind to: an event is sent again once its row is marked as unpublished.".to_owned(),
        operation::topics(config),
        "- A consumer that starts later reads the topics from their beginning, as far as they are retained: [how long a rebuild may \
         take]."
            .to_owned(),
    ]
}
