//! Snapshots for a reader without leadership, which writes nothing to the server.

use std::sync::Arc;

use super::copy::PostgresSnapshot;
use super::import::import;
use crate::catalog::{self, ExportedPosition};
use crate::config::PostgresConfig;
use crate::connect::{connect_ordinary, connect_to};
use crate::encoding::OwnConversion;
use crate::error::PostgresError;

const DOING: &str = "beginning a transaction to export its snapshot";

impl PostgresSnapshot {
    /// Snapshot that is taken without leadership, over sessions of its own, on the server and by the role that read rows. A
    /// running instance is not disturbed: no slot is created, and all transactions are read-only.
    ///
    /// Its [`lsn`](walcast_delivery::Snapshot::lsn) is an upper limit, because only a slot has an exact position: a
    /// transaction whose commit record lies at or after it is not seen, and one whose commit record lies shortly before it
    /// may not be seen either, if it was still committing.
    ///
    /// # Errors
    /// The configuration is not valid, or the server cannot be reached or does not answer.
    pub async fn read_only(config: PostgresConfig) -> Result<Self, PostgresError> {
        config.validate()?;
        let config = Arc::new(config);
        let connect = match &config.reader {
            Some(reader) => reader.clone(),
            None => config.connect.clone().for_primary(),
        };
        let connect = config.reading(&connect);
        let name = config.application_name();
        let server = connect_ordinary(&connect, &name)
            .await
            .map_err(PostgresError::at_first_connection)?;
        let exporting = connect_to(&connect, server.endpoint.clone(), &name).await?;
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        catalog::execute(&exporting.client, DOING, begin).await?;
        let ExportedPosition { snapshot, lsn } = catalog::export_snapshot(&exporting.client).await?;
        // The exporting transaction has to be open until every session has imported its snapshot.
        let server = Arc::new(server);
        // Nothing reads the rows again if the server cannot convert a text.
        let own = OwnConversion::switched_on();
        import(&server, &config, &connect, lsn, Some(&snapshot), &own).await
    }
}
