//! Schemas of the registry under which the payloads of an outbox are written.

use super::Plan;
use crate::error::MapError;
use crate::schema_id::SchemaId;

const MISSING: &str = "has no schema";
const NOT_AVRO: &str = "has a schema that cannot be read as Avro";

impl Plan {
    /// Subject whose latest schema [`Plan::bind_topic`] needs for the topic that the latest row has named; `None` if the schema of its
    /// values is that of the columns.
    #[must_use]
    pub fn wanted_subject(&self) -> Option<&str> {
        self.outbox.as_ref()?.pending_subject()
    }

    /// Sets the latest schema of [`Plan::wanted_subject`] with its id; `None` if the registry has none.
    ///
    /// # Errors
    /// The registry has no schema, or none in Avro: the row cannot be mapped.
    pub fn set_wanted_schema(&mut self, latest: Option<(SchemaId, &str)>) -> Result<(), MapError> {
        let subject = self.wanted_subject().unwrap_or_default().to_owned();
        let Some(outbox) = &mut self.outbox else {
            return Ok(());
        };
        let problem = match latest {
            Some((id, schema)) if outbox.set_pending_schema(id, schema) => return Ok(()),
            Some(_) => NOT_AVRO,
            None => MISSING,
        };
        Err(self.schema_error(subject, problem))
    }

    /// Subject and id of the schema under which the payload of the latest row is written; `None` if it is that of the column.
    #[must_use]
    pub fn payload_schema(&self) -> Option<(&str, SchemaId)> {
        self.outbox.as_ref()?.payload_schema()
    }

    /// Replaces that schema by a later one of its subject.
    ///
    /// # Errors
    /// The later one is not Avro.
    pub fn replace_payload_schema(&mut self, id: SchemaId, schema: &str) -> Result<(), MapError> {
        let subject = self.payload_schema().map(|(subject, _)| subject.to_owned());
        let Some(outbox) = &mut self.outbox else {
            return Ok(());
        };
        match outbox.replace_payload_schema(id, schema) {
            true => Ok(()),
            false => Err(self.schema_error(subject.unwrap_or_default(), NOT_AVRO)),
        }
    }

    fn schema_error(&self, subject: String, problem: &'static str) -> MapError {
        let place = self.outbox.as_ref().map(|outbox| outbox.payload_place());
        MapError::OutboxSchema {
            table: self.table.clone(),
            column: place.map(|place| self.column_name(place)).unwrap_or_default(),
            subject,
            problem,
        }
    }
}
