//! Questions and orders to the brokers beside the stream of records.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError as ClientError;
use rdkafka::metadata::Metadata;
use rdkafka::types::RDKafkaErrorCode;
use tokio::sync::OnceCell;

use crate::events::Events;
use crate::explain::{Attempt, Explain};
use crate::sorting::Kind;
use crate::{KafkaConfig, KafkaError, clients};

/// How long brokers may take to answer a question, connecting included: all calls together.
const QUESTION_LIMIT: Duration = Duration::from_secs(10);

/// A question is asked in calls, between which it is looked whether a broker has turned us away: the first are short, so
/// that a wrong password is told soon.
const FIRST_CALL_LIMITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];

/// The last call's share of the limit, long enough for a slow broker.
const LAST_CALL_LIMIT: Duration = Duration::from_secs(6);

/// How long brokers may take to create a topic on every node.
const CREATE_LIMIT: Duration = Duration::from_secs(30);

/// How long events that explain a failed question are waited for.
const EXPLANATION_TIME: Duration = Duration::from_millis(10);

/// A connection for questions and orders.
pub(crate) struct Cluster {
    config: Arc<KafkaConfig>,
    lookup: Arc<BaseConsumer<Events>>,
    admin: OnceCell<AdminClient<Events>>,
    explain: Explain,
    was_let_in: Arc<AtomicBool>,
}

/// A topic to create.
pub(crate) struct Creation<'a> {
    pub(crate) topic: &'a str,
    /// -1: the broker's default.
    pub(crate) partitions: i32,
    /// -1: the broker's default.
    pub(crate) replication: i32,
    pub(crate) config: Vec<(&'a str, &'a str)>,
}

impl Cluster {
    /// Makes the clients; they connect by themselves.
    pub(crate) fn new(config: Arc<KafkaConfig>, was_let_in: Arc<AtomicBool>) -> Result<Self, KafkaError> {
        let events = Events::default();
        // As a consumer it never makes the broker create a topic by asking for it.
        let lookup = clients::committed_reader(&config)
            .create_with_context(events.clone())
            .map_err(|error| rejected(&config, &error))?;
        let explain = Explain::new(Arc::clone(&config), events, Arc::clone(&was_let_in));
        Ok(Self {
            config,
            lookup: Arc::new(lookup),
            admin: OnceCell::new(),
            explain,
            was_let_in,
        })
    }

    /// How many partitions a topic has; `None` when it does not exist.
    pub(crate) async fn partitions(&self, topic: &str) -> Result<Option<usize>, KafkaError> {
        let attempt = Attempt {
            doing: "looking a topic up",
            operation: "Describe",
            resource: "topic",
            name: topic,
        };
        let metadata = self.metadata(Some(topic), attempt).await?;
        let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
            return Ok(None);
        };
        match found.error().map(RDKafkaErrorCode::from) {
            None => Ok(Some(found.partitions().len())),
            Some(code) if Kind::of(code) == Kind::UnknownTopic => Ok(None),
            Some(code) => Err(self.explain.code(attempt, code, &code.to_string())),
        }
    }

    /// The brokers, as `host:port`.
    pub(crate) async fn brokers(&self) -> Result<Vec<String>, KafkaError> {
        let attempt = Attempt {
            doing: "listing brokers",
            operation: "Describe",
            resource: "cluster of",
            name: &self.config.name,
        };
        let metadata = self.metadata(None, attempt).await?;
        Ok(metadata
            .brokers()
            .iter()
            .map(|broker| format!("{}:{}", broker.host(), broker.port()))
            .collect())
    }

    async fn metadata(&self, topic: Option<&str>, attempt: Attempt<'_>) -> Result<Metadata, KafkaError> {
        let lookup = Arc::clone(&self.lookup);
        let topic = topic.map(ToOwned::to_owned);
        let explain = self.explain.clone();
        let asking = tokio::task::spawn_blocking(move || {
            let ask = |limit| {
                let answer = lookup.fetch_metadata(topic.as_deref(), limit);
                // Log lines, and why connections failed, are served by polling; there are no records to come.
                while lookup.poll(EXPLANATION_TIME).is_some() {}
                answer
            };
            for limit in FIRST_CALL_LIMITS {
                match ask(limit) {
                    Err(error) if is_silence(&error) && explain.turned_away().is_none() => {}
                    other => return other,
                }
            }
            ask(LAST_CALL_LIMIT)
        });
        match asking.await.map_err(|_ended| KafkaError::Stopped)? {
            Ok(metadata) => {
                self.was_let_in.store(true, Ordering::Relaxed);
                Ok(metadata)
            }
            Err(error) => Err(self.explain.client(attempt, &error)),
        }
    }

    /// Creates a topic, or asks whether it could be; that it exists already is fine.
    pub(crate) async fn create(
        &self,
        creation: &Creation<'_>,
        validate_only: bool,
    ) -> Result<(), CreateFailure> {
        let Creation {
            topic,
            partitions,
            replication,
            config,
        } = creation;
        let mut new = NewTopic::new(topic, *partitions, TopicReplication::Fixed(*replication));
        new.config.clone_from(config);
        let options = AdminOptions::new()
            .request_timeout(Some(CREATE_LIMIT))
            .operation_timeout(Some(CREATE_LIMIT))
            .validate_only(validate_only);
        let results = self.admin().await?.create_topics([&new], &options).await;
        let attempt = Attempt {
            doing: "creating a topic",
            operation: "Create",
            resource: "topic",
            name: topic,
        };
        let results = results.map_err(|error| admin_failure(&self.explain, attempt, &error))?;
        for result in results {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((_, code)) if Kind::of(code) == Kind::Refused => {
                    return Err(CreateFailure::Refused(code));
                }
                Err((_, code)) => return Err(self.explain.code(attempt, code, &code.to_string()).into()),
            }
        }
        Ok(())
    }

    /// A setting of a topic.
    pub(crate) async fn setting(&self, topic: &str, setting: &str) -> Result<Option<String>, KafkaError> {
        let attempt = Attempt {
            doing: "reading a topic's settings",
            operation: "DescribeConfigs",
            resource: "topic",
            name: topic,
        };
        let options = AdminOptions::new().request_timeout(Some(QUESTION_LIMIT));
        let asked = self
            .admin()
            .await?
            .describe_configs([&ResourceSpecifier::Topic(topic)], &options)
            .await;
        for result in asked.map_err(|error| admin_failure(&self.explain, attempt, &error))? {
            let resource = result.map_err(|code| self.explain.code(attempt, code, &code.to_string()))?;
            if let Some(entry) = resource.get(setting) {
                return Ok(entry.value.clone());
            }
        }
        Ok(None)
    }

    async fn admin(&self) -> Result<&AdminClient<Events>, KafkaError> {
        self.admin
            .get_or_try_init(|| async {
                clients::admin(&self.config)
                    .create_with_context(Events::default())
                    .map_err(|error| rejected(&self.config, &error))
            })
            .await
    }
}

/// Whether nobody has answered yet.
fn is_silence(error: &ClientError) -> bool {
    error
        .rdkafka_error_code()
        .is_some_and(|code| Kind::of(code) == Kind::Unreachable)
}

/// Why a topic was not created.
pub(crate) enum CreateFailure {
    /// The broker does not take these settings.
    Refused(RDKafkaErrorCode),
    /// Anything else.
    Failed(KafkaError),
}

impl From<KafkaError> for CreateFailure {
    fn from(error: KafkaError) -> Self {
        Self::Failed(error)
    }
}

fn admin_failure(explain: &Explain, attempt: Attempt<'_>, error: &ClientError) -> KafkaError {
    match error {
        ClientError::AdminOp(code) => explain.code(attempt, *code, &error.to_string()),
        other => explain.client(attempt, other),
    }
}

fn rejected(config: &KafkaConfig, error: &ClientError) -> KafkaError {
    KafkaError::ClientRejected {
        reason: config.properties.redact(&error.to_string()),
    }
}
