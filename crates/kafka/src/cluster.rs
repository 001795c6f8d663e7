//! Metadata and admin requests to the brokers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError as ClientError;
use rdkafka::metadata::Metadata;
use rdkafka::types::RDKafkaErrorCode;
use tokio::sync::OnceCell;

use crate::clients::{self, Isolation};
use crate::cluster_metadata::{address, only_topic};
use crate::config::KafkaConfig;
use crate::end_offset::end_offset;
use crate::error::KafkaError;
use crate::error_class::ErrorClass;
use crate::events::Events;
use crate::explain::{Attempt, Explain};

/// Time limit of one metadata request, connecting and all calls included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Time limits of the first calls of a metadata request. Between calls the authentication status is checked; the first calls
/// are short, so that a wrong password is reported early.
const FIRST_CALL_LIMITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];

/// Time limit of the last call, long enough for a slow broker.
const LAST_CALL_LIMIT: Duration = Duration::from_secs(6);

/// Time limit of creating a topic on every broker.
const CREATE_LIMIT: Duration = Duration::from_secs(30);

/// How long one poll waits for events that explain a failed request.
const EXPLANATION_TIME: Duration = Duration::from_millis(10);

/// Clients for metadata and admin requests.
pub(crate) struct Cluster {
    config: Arc<KafkaConfig>,
    lookup: Arc<BaseConsumer<Events>>,
    admin: OnceCell<AdminClient<Events>>,
    explain: Explain,
    authenticated_before: Arc<AtomicBool>,
}

/// Topic to create.
pub(crate) struct Creation<'a> {
    pub(crate) topic: &'a str,
    /// Number of partitions; -1 is the broker's default.
    pub(crate) partitions: i32,
    /// Replication factor; -1 is the broker's default.
    pub(crate) replication: i32,
    pub(crate) config: Vec<(&'a str, &'a str)>,
}

/// Number of partitions of a topic, and of the replicas of one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TopicShape {
    pub(crate) partitions: usize,
    pub(crate) replicas: usize,
}

impl Cluster {
    /// Creates the clients, which connect in the background.
    pub(crate) fn new(
        config: Arc<KafkaConfig>,
        authenticated_before: Arc<AtomicBool>,
    ) -> Result<Self, KafkaError> {
        let events = Events::default();
        // A metadata request of a consumer never makes the broker create a topic.
        let lookup = clients::reader(&config, Isolation::Committed)
            .create_with_context(events.clone())
            .map_err(|error| rejected(&config, &error))?;
        let explain = Explain::new(Arc::clone(&config), events, Arc::clone(&authenticated_before));
        Ok(Self {
            config,
            lookup: Arc::new(lookup),
            admin: OnceCell::new(),
            explain,
            authenticated_before,
        })
    }

    /// Number of partitions of a topic; `None` when the topic does not exist.
    pub(crate) async fn partitions(&self, topic: &str) -> Result<Option<usize>, KafkaError> {
        Ok(self.shape(topic).await?.map(|shape| shape.partitions))
    }

    /// Partitions and replicas of a topic; `None` when the topic does not exist.
    pub(crate) async fn shape(&self, topic: &str) -> Result<Option<TopicShape>, KafkaError> {
        let attempt = Attempt {
            doing: "looking up a topic",
            operation: "Describe",
            resource: "topic",
            name: topic,
        };
        let metadata = self.metadata(Some(topic), attempt).await?;
        let found = only_topic(&metadata)
            .map_err(|code| self.explain.code(attempt, code, "several topics instead of one"))?;
        let Some(found) = found else {
            return Ok(None);
        };
        match found.error().map(RDKafkaErrorCode::from) {
            None => Ok(Some(TopicShape {
                partitions: found.partitions().len(),
                replicas: found
                    .partitions()
                    .first()
                    .map_or(0, |partition| partition.replicas().len()),
            })),
            Some(code) if ErrorClass::of(code) == ErrorClass::UnknownTopic => Ok(None),
            Some(code) => Err(self.explain.code(attempt, code, &code.to_string())),
        }
    }

    /// Whether a topic exists and records were ever written to it: the end of one of its partitions is not the first offset.
    pub(crate) async fn has_records(&self, topic: &str) -> Result<bool, KafkaError> {
        let Some(partitions) = self.partitions(topic).await? else {
            return Ok(false);
        };
        let (lookup, name) = (Arc::clone(&self.lookup), topic.to_owned());
        let request = tokio::task::spawn_blocking(move || -> Result<bool, ClientError> {
            for partition in 0..i32::try_from(partitions).unwrap_or(i32::MAX) {
                let end = end_offset(lookup.as_ref(), &name, partition)?;
                if end.is_some_and(|end| end > 0) {
                    return Ok(true);
                }
            }
            Ok(false)
        });
        let attempt = Attempt {
            doing: "looking up the end of a topic",
            operation: "Describe",
            resource: "topic",
            name: topic,
        };
        let found = request.await.map_err(|_ended| KafkaError::Stopped)?;
        found.map_err(|error| self.explain.client(attempt, &error))
    }

    /// Addresses of the brokers as `host:port`.
    pub(crate) async fn brokers(&self) -> Result<Vec<String>, KafkaError> {
        let attempt = Attempt {
            doing: "listing brokers",
            operation: "Describe",
            resource: "cluster of",
            name: &self.config.name,
        };
        let metadata = self.metadata(None, attempt).await?;
        let addresses = metadata.brokers().iter().map(address);
        addresses.collect::<Result<_, _>>().map_err(|code| {
            self.explain
                .code(attempt, code, "the host of a broker is not UTF-8")
        })
    }

    async fn metadata(&self, topic: Option<&str>, attempt: Attempt<'_>) -> Result<Metadata, KafkaError> {
        let lookup = Arc::clone(&self.lookup);
        let topic = topic.map(ToOwned::to_owned);
        let explain = self.explain.clone();
        let request = tokio::task::spawn_blocking(move || {
            let fetch = |limit| {
                let answer = lookup.fetch_metadata(topic.as_deref(), limit);
                // Polling serves log lines and connection errors; no partition is assigned, so there are no records.
                while lookup.poll(EXPLANATION_TIME).is_some() {}
                answer
            };
            for limit in FIRST_CALL_LIMITS {
                match fetch(limit) {
                    Err(error) if is_unreachable(&error) && explain.authentication_failure().is_none() => {}
                    other => return other,
                }
            }
            fetch(LAST_CALL_LIMIT)
        });
        match request.await.map_err(|_ended| KafkaError::Stopped)? {
            Ok(metadata) => {
                self.authenticated_before.store(true, Ordering::Relaxed);
                Ok(metadata)
            }
            Err(error) => Err(self.explain.client(attempt, &error)),
        }
    }

    /// Creates a topic, or only validates the request. An existing topic is a success.
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
                Err((_, code)) if ErrorClass::of(code) == ErrorClass::Rejected => {
                    return Err(CreateFailure::Rejected(code));
                }
                Err((_, code)) => return Err(self.explain.code(attempt, code, &code.to_string()).into()),
            }
        }
        Ok(())
    }

    /// Value of a topic's setting.
    pub(crate) async fn setting(&self, topic: &str, setting: &str) -> Result<Option<String>, KafkaError> {
        let attempt = Attempt {
            doing: "reading a topic's settings",
            operation: "DescribeConfigs",
            resource: "topic",
            name: topic,
        };
        let options = AdminOptions::new().request_timeout(Some(REQUEST_TIMEOUT));
        let described = self
            .admin()
            .await?
            .describe_configs([&ResourceSpecifier::Topic(topic)], &options)
            .await;
        for result in described.map_err(|error| admin_failure(&self.explain, attempt, &error))? {
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

/// Whether no broker has answered yet.
fn is_unreachable(error: &ClientError) -> bool {
    error
        .rdkafka_error_code()
        .is_some_and(|code| ErrorClass::of(code) == ErrorClass::Unreachable)
}

/// Reason for which a topic was not created.
pub(crate) enum CreateFailure {
    /// The broker rejected the settings.
    Rejected(RDKafkaErrorCode),
    /// Any other failure.
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
