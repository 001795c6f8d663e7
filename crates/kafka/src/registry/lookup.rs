//! Look-ups of schemas that others register: the connector may not register them, or is configured not to.

use schema_registry_converter::async_impl::schema_registry::perform_sr_call;
use schema_registry_converter::schema_registry_common::SrCall;
use walcast_delivery::LatestSchema;
use walcast_mapper::SchemaId;

use super::error::{Registration, RegistryError};
use super::response::ResponseError;
use super::{Registry, response_error, without_quoted_braces};

impl Registry {
    /// Latest schema of `subject`; `None` if the registry has none.
    pub(super) async fn latest_of(&self, subject: &str) -> Result<Option<LatestSchema>, RegistryError> {
        match perform_sr_call(&self.settings, SrCall::GetLatest(subject)).await {
            Ok(found) => match (found.id, found.schema) {
                (Some(id), Some(schema)) => Ok(Some(LatestSchema {
                    id: SchemaId::new(id),
                    schema,
                })),
                _ => Err(RegistryError::UnexpectedAnswer {
                    url: self.url.clone(),
                    reason: format!("the latest schema of subject {subject} has no id or no text"),
                }),
            },
            // A registry reports an unknown subject in a JSON body; another web server does not.
            Err(error) => match response_error(&error) {
                Some(ResponseError::Status {
                    status: 404,
                    message: Some(_),
                    ..
                }) => Ok(None),
                _ => Err(self.explain(subject, &error)),
            },
        }
    }

    /// Id of a schema that is registered under `subject`. `registration` says why the schema is not registered instead.
    pub(super) async fn look_up(
        &self,
        subject: &str,
        schema: &str,
        registration: Registration,
    ) -> Result<SchemaId, RegistryError> {
        let body = serde_json::json!({ "schema": without_quoted_braces(schema), "schemaType": "AVRO" });
        let found = perform_sr_call(&self.settings, SrCall::PostForVersion(subject, &body.to_string())).await;
        match found {
            Ok(found) => found
                .id
                .map(SchemaId::new)
                .ok_or_else(|| RegistryError::UnexpectedAnswer {
                    url: self.url.clone(),
                    reason: format!("a registered schema of subject {subject} has no id"),
                }),
            // A registry reports an unknown subject or schema in a JSON body; another web server does not.
            Err(error) => match response_error(&error) {
                Some(ResponseError::Status {
                    status: 404,
                    message: Some(_),
                    ..
                }) => Err(RegistryError::NotRegistered {
                    url: self.url.clone(),
                    subject: subject.to_owned(),
                    schema: schema.to_owned(),
                    registration,
                }),
                _ => Err(self.explain(subject, &error)),
            },
        }
    }
}
