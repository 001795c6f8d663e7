//! Compatibility levels of subjects, for commands that describe a connector.

use reqwest::Url;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use schema_registry_converter::error::SRCError;
use serde::Deserialize;

use super::error::RegistryError;
use super::response::BoundedResponses;
use super::{CALL_LIMIT, Registry};
use crate::config::RegistryAuth;

/// Reader of compatibility levels. It changes nothing.
#[derive(Debug)]
pub struct CompatibilityLevels<'r> {
    registry: &'r Registry,
    client: ClientWithMiddleware,
}

/// Response to a request for a level.
#[derive(Deserialize)]
struct Level {
    #[serde(rename = "compatibilityLevel")]
    level: String,
}

impl Registry {
    /// Creates a reader of compatibility levels, without connecting.
    ///
    /// # Errors
    /// As [`Registry::new`].
    pub fn compatibility_levels(&self) -> Result<CompatibilityLevels<'_>, RegistryError> {
        let client = Registry::http_client(&self.config)?.timeout(CALL_LIMIT).build();
        let client = client.map_err(|error| RegistryError::Client {
            reason: self.redaction.shown(&error.to_string()),
        })?;
        Ok(CompatibilityLevels {
            registry: self,
            client: ClientBuilder::new(client).with(BoundedResponses).build(),
        })
    }
}

impl CompatibilityLevels<'_> {
    /// Level of subjects without a level of their own; `None` if the registry reports none.
    ///
    /// # Errors
    /// The registry does not answer, denies access, or its response cannot be used.
    pub async fn of_all(&self) -> Result<Option<String>, RegistryError> {
        self.level("of all subjects", &["config"]).await
    }

    /// Level of a subject of its own; `None` if it has none.
    ///
    /// # Errors
    /// As [`CompatibilityLevels::of_all`].
    pub async fn of(&self, subject: &str) -> Result<Option<String>, RegistryError> {
        self.level(subject, &["config", subject]).await
    }

    async fn level(&self, subject: &str, path: &[&str]) -> Result<Option<String>, RegistryError> {
        let level = self.requested(path).await;
        Ok(self
            .registry
            .found(subject, level)
            .await?
            .map(|found| found.level))
    }

    async fn requested(&self, path: &[&str]) -> Result<Level, SRCError> {
        let mut url = Url::parse(&self.registry.url)
            .map_err(|error| SRCError::non_retryable_with_cause(error, "the address cannot be used"))?;
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let mut request = self.client.get(url);
        request = match &self.registry.config.auth {
            RegistryAuth::None => request,
            RegistryAuth::Basic { user, password } => request.basic_auth(user, Some(password.reveal())),
            RegistryAuth::Bearer { token } => request.bearer_auth(token.reveal()),
        };
        let failed = |error| SRCError::retryable_with_cause(error, "the request failed");
        let response = request.send().await.map_err(failed)?;
        let body = response.bytes().await;
        let body = body.map_err(|error| failed(error.into()))?;
        serde_json::from_slice(&body)
            .map_err(|error| SRCError::non_retryable_with_cause(error, "the response is no level"))
    }
}
