//! Settings of topics, for commands that report what a topic has kept.

use std::sync::Arc;

use tracing::debug;

use crate::cluster::Cluster;
use crate::config::KafkaConfig;
use crate::error::KafkaError;

/// Value of a topic's setting, such as `cleanup.policy`; `None` where the user may not read it: that is a permission of its own
/// (`DescribeConfigs`).
///
/// # Errors
/// No broker answers, or the topic does not exist.
pub async fn topic_setting(
    config: &KafkaConfig,
    topic: &str,
    setting: &str,
) -> Result<Option<String>, KafkaError> {
    let cluster = Cluster::new(Arc::new(config.clone()), Arc::default())?;
    match cluster.setting(topic, setting).await {
        Err(error @ KafkaError::Unauthorized { .. }) => {
            debug!(topic, setting, %error, "the setting is unknown");
            Ok(None)
        }
        other => other,
    }
}
