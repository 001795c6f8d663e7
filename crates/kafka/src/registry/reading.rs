//! Look-ups for readers of records: schemas by their id, and the versions of a subject.

use schema_registry_converter::async_impl::schema_registry::{get_all_versions, perform_sr_call};
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::{RawRegisteredSchema, SrCall};
use walcast_mapper::SchemaId;

use super::error::RegistryError;
use super::response::ResponseError;
use super::{Registry, response_error};

/// Version of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectVersion {
    /// Number of the version.
    pub version: u32,
    /// Id of the schema.
    pub id: SchemaId,
    /// The schema.
    pub schema: String,
}

/// Type of a schema without `schemaType`.
const AVRO: &str = "AVRO";

impl Registry {
    /// Avro schema with this id, also where its subject was deleted; `None` if the registry has no Avro schema with the id.
    ///
    /// # Errors
    /// The registry does not answer, denies access, or its response cannot be used.
    pub async fn schema_by_id(&self, id: SchemaId) -> Result<Option<String>, RegistryError> {
        let found = perform_sr_call(&self.settings, SrCall::GetById(id.as_u32())).await;
        let found = self.found(&format!("of schema {id}"), found).await?;
        Ok(found.filter(is_avro).and_then(|found| found.schema))
    }

    /// Avro schemas of a subject with their versions, the first version first. Empty if the subject does not exist.
    ///
    /// # Errors
    /// As [`Registry::schema_by_id`].
    pub async fn versions(&self, subject: &str) -> Result<Vec<SubjectVersion>, RegistryError> {
        let numbers = get_all_versions(&self.settings, subject.to_owned()).await;
        let mut versions = Vec::new();
        for number in self.found(subject, numbers).await?.unwrap_or_default() {
            let call = SrCall::GetBySubjectAndVersion(subject, number);
            let found = perform_sr_call(&self.settings, call).await;
            let found = self.found(subject, found).await?.filter(is_avro);
            if let Some((id, schema)) = found.and_then(|found| found.id.zip(found.schema)) {
                versions.push(SubjectVersion {
                    version: number,
                    id: SchemaId::new(id),
                    schema,
                });
            }
        }
        Ok(versions)
    }

    /// Response, or `None` for one that reports an unknown schema or subject: a registry does that in a JSON body, another web
    /// server does not.
    pub(super) async fn found<T>(
        &self,
        subject: &str,
        response: Result<T, SRCError>,
    ) -> Result<Option<T>, RegistryError> {
        match response {
            Ok(found) => Ok(Some(found)),
            Err(error) => match response_error(&error) {
                Some(ResponseError::Status {
                    status: 404,
                    message: Some(_),
                    ..
                }) => Ok(None),
                _ => Err(self.with_known_path(self.explain(subject, &error)).await),
            },
        }
    }
}

fn is_avro(found: &RawRegisteredSchema) -> bool {
    found.schema_type.as_deref().is_none_or(|kind| kind == AVRO)
}
