//! Cleanup policy of a topic, which decides whether all changes of a key are kept.

use walcast_kafka::{KafkaConfig, topic_setting};

use crate::error::TopicsError;
use crate::note::Note;

const CLEANUP_POLICY: &str = "cleanup.policy";

/// Finding about the cleanup policy of a topic; `None` if the topic is not compacted.
///
/// # Errors
/// No broker answers, or the topic does not exist.
pub async fn policy_note(kafka: &KafkaConfig, topic: &str) -> Result<Option<Note>, TopicsError> {
    let topic = topic.to_owned();
    let policy = topic_setting(kafka, &topic, CLEANUP_POLICY).await?;
    Ok(match policy {
        Some(policy) if policy.split(',').any(|policy| policy.trim() == "compact") => {
            Some(Note::Compacted { topic })
        }
        Some(_) => None,
        None => Some(Note::PolicyUnknown { topic }),
    })
}
