//! Topics of the events that the configuration asks for.

use super::heartbeat::HeartbeatEvents;
use super::message::MessageEvents;
use super::notification::NotificationEvents;
use super::transaction::TransactionEvents;
use crate::config::MapperConfig;

/// Topics of the events, other than those of rows, that the configuration asks for.
pub(crate) fn used_topics(config: &MapperConfig) -> Vec<String> {
    let events = &config.events;
    let transactions = events.transactions.then(|| TransactionEvents::new(config).topic);
    let has_messages = !events.messages.is_empty();
    let messages = has_messages.then(|| MessageEvents::new(config).topic);
    let has_heartbeats = !events.heartbeat_interval.is_zero();
    let heartbeats = has_heartbeats.then(|| HeartbeatEvents::new(config).topic);
    let notifications = NotificationEvents::new(config).map(|notifications| notifications.topic);
    let topics = [transactions, messages, heartbeats, notifications];
    let used = topics.into_iter().flatten();
    used.map(|topic| topic.name().to_owned()).collect()
}
