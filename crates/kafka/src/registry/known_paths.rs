//! Paths at which registries serve Confluent's interface, tried when the configured one is not that of a registry.

use reqwest::Url;

use super::Registry;
use super::error::RegistryError;
use crate::config::RegistryConfig;

/// Confluent's own registry, Karapace and Redpanda have the first, Apicurio the second.
const PATHS: [&str; 2] = ["", "/apis/ccompat/v7"];

impl Registry {
    /// Completes an error about the path by the address on the same server at which a registry answers.
    pub(super) async fn with_known_path(&self, error: RegistryError) -> RegistryError {
        match error {
            RegistryError::NotFound { url, message, .. } => RegistryError::NotFound {
                answers_at: self.known_path().await,
                url,
                message,
            },
            other => other,
        }
    }

    async fn known_path(&self) -> Option<String> {
        let origin = Url::parse(&self.url).ok()?.origin().ascii_serialization();
        for path in PATHS {
            let url = format!("{origin}{path}");
            if url == self.url {
                continue;
            }
            let other = Registry::new(&RegistryConfig {
                url: url.clone(),
                ..self.config.clone()
            });
            if other.ok()?.probe_once().await.is_ok() {
                return Some(url);
            }
        }
        None
    }
}
