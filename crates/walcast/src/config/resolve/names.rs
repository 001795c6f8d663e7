//! Names: those that are set, and those that are derived from the connector's name. Several crates need them.

use walcast_delivery::is_named_like_bookmark;

use super::check::Check;
use crate::config::error::ConfigError;
use crate::config::raw::RawConfig;
use crate::config::stream_snapshots::RawStreamSnapshots;

/// Postgres truncates longer identifiers.
const IDENTIFIER_BYTES_MAX: usize = 63;
/// Limit at which `walcast_<name>` is still an identifier.
const NAME_BYTES_MAX: usize = IDENTIFIER_BYTES_MAX - "walcast_".len();
/// Kafka's limit for the length of a topic name.
const TOPIC_BYTES_MAX: usize = 249;
/// The prefix leaves space for `.<schema>.<table>`.
const TOPIC_PREFIX_BYTES_MAX: usize = 120;

/// Names of a connector.
pub(super) struct Names {
    /// The connector.
    pub(super) connector: String,
    /// Its replication slot.
    pub(super) slot: String,
    /// Its publication.
    pub(super) publication: String,
    /// Prefix of the topics.
    pub(super) topic_prefix: String,
    /// Topic of checkpoints.
    pub(super) checkpoint_topic: String,
    /// Topic of certificates.
    pub(super) verification_topic: String,
    /// Topic of replays.
    pub(super) replay_topic: String,
    /// Topic of dead letters.
    pub(super) dead_letter_topic: String,
    /// Topic of signals; `None`: no signal topic.
    pub(super) signal_topic: Option<String>,
    /// Topics of snapshots of streams.
    pub(super) stream_snapshot_topics: Vec<String>,
}

impl Check<'_> {
    pub(super) fn names(&self, raw: &RawConfig) -> Result<Names, ConfigError> {
        let connector = self.required("name", raw.name.clone(), "name = \"shop\"")?;
        self.connector_name(&connector)?;
        let identifier = format!("walcast_{}", connector.replace('-', "_"));
        let slot = raw.postgres.slot.as_ref().unwrap_or(&identifier);
        self.slot_name(slot)?;
        let publication = raw.postgres.publication.as_ref().unwrap_or(&identifier);
        self.publication_name(publication)?;
        let topic_prefix = raw.kafka.topic_prefix.as_ref().unwrap_or(&connector);
        self.topic_prefix(topic_prefix)?;
        let signal_topic = raw.snapshot.signal_topic.as_ref();
        if let Some(topic) = signal_topic {
            self.topic_name("snapshot.signal_topic", topic)?;
        }
        let checkpoint_topic = walcast_kafka::checkpoint_topic(topic_prefix);
        let dead_letter_topic = match &raw.dead_letters.topic {
            Some(topic) => topic.clone(),
            None => format!("{topic_prefix}.dead-letters"),
        };
        self.dead_letter_topic(&dead_letter_topic, &checkpoint_topic)?;
        if let Some(topic) = signal_topic {
            let key = "snapshot.signal_topic";
            let wanted = "a topic other than the checkpoint topic";
            self.rule(key, topic, wanted, *topic != checkpoint_topic)?;
            let wanted = "a topic other than the dead-letter topic";
            self.rule(key, topic, wanted, *topic != dead_letter_topic)?;
        }
        Ok(Names {
            slot: slot.clone(),
            publication: publication.clone(),
            topic_prefix: topic_prefix.clone(),
            checkpoint_topic,
            verification_topic: walcast_kafka::verification_topic(topic_prefix),
            replay_topic: walcast_kafka::replay_topic(topic_prefix),
            dead_letter_topic,
            signal_topic: signal_topic.cloned(),
            stream_snapshot_topics: raw
                .stream_snapshots
                .iter()
                .map(RawStreamSnapshots::target)
                .collect(),
            connector,
        })
    }

    fn connector_name(&self, name: &str) -> Result<(), ConfigError> {
        let holds = is_word(name, b"_-")
            && name.len() <= NAME_BYTES_MAX
            && name.starts_with(|first: char| first.is_ascii_lowercase());
        let wanted = "up to 55 of a-z, 0-9, _ and -, beginning with a letter";
        self.rule("name", name, wanted, holds)
    }

    fn slot_name(&self, slot: &str) -> Result<(), ConfigError> {
        let holds = is_word(slot, b"_") && slot.len() <= IDENTIFIER_BYTES_MAX;
        let wanted = "up to 63 of a-z, 0-9 and _, as Postgres names slots";
        self.rule("postgres.slot", slot, wanted, holds)?;
        let wanted = "a name that does not begin with walcast_bm_, as the slots of bookmarks do";
        self.rule("postgres.slot", slot, wanted, !is_named_like_bookmark(slot))
    }

    fn publication_name(&self, publication: &str) -> Result<(), ConfigError> {
        let holds = (1..=IDENTIFIER_BYTES_MAX).contains(&publication.len()) && !publication.contains('\0');
        let wanted = "a Postgres name of up to 63 bytes";
        self.rule("postgres.publication", publication, wanted, holds)
    }

    fn topic_prefix(&self, prefix: &str) -> Result<(), ConfigError> {
        let holds = (1..=TOPIC_PREFIX_BYTES_MAX).contains(&prefix.len()) && is_of_topics(prefix);
        let wanted = "up to 120 of A-Z, a-z, 0-9, dot, _ and -, as Kafka names topics";
        self.rule("kafka.topic_prefix", prefix, wanted, holds)
    }

    fn dead_letter_topic(&self, topic: &str, checkpoint_topic: &str) -> Result<(), ConfigError> {
        let key = "dead_letters.topic";
        self.topic_name(key, topic)?;
        let wanted = "a topic other than the checkpoint topic";
        self.rule(key, topic, wanted, topic != checkpoint_topic)
    }

    fn topic_name(&self, key: &'static str, topic: &str) -> Result<(), ConfigError> {
        let holds =
            !matches!(topic, "" | "." | "..") && topic.len() <= TOPIC_BYTES_MAX && is_of_topics(topic);
        let wanted = "a topic's name: up to 249 letters, digits, dots, _ and -";
        self.rule(key, topic, wanted, holds)
    }
}

/// Whether a text is non-empty and consists of lower-case letters, digits and `others`.
fn is_word(text: &str, others: &[u8]) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || others.contains(&byte);
    !text.is_empty() && text.bytes().all(allowed)
}

/// Whether a text consists of characters that the names of Kafka topics can have.
pub(super) fn is_of_topics(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    text.bytes().all(allowed)
}
