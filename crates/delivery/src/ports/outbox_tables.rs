//! The port to outbox tables whose delivered rows are removed.

use std::future::Future;

use walcast_mapper::TableName;
use walcast_pgoutput::Oid;

use crate::outbox_cleanup::removal::{OutboxLook, Removal, Removed};
use crate::port_error::BoxedPortError;

/// Outbox tables, in a session of their own.
pub trait OutboxTables {
    /// The server and those of the tables that exist; `None` if the connector does not have leadership.
    fn look(
        &mut self,
        tables: &[TableName],
    ) -> impl Future<Output = Result<Option<OutboxLook>, BoxedPortError>>;

    /// A transaction ID that no transaction had before the call.
    fn next_transaction(&mut self) -> impl Future<Output = Result<u64, BoxedPortError>>;

    /// Whether a table has no row, in a snapshot that the call takes.
    fn is_empty(&mut self, table: Oid) -> impl Future<Output = Result<bool, BoxedPortError>>;

    /// Removes rows, in one transaction.
    fn remove(&mut self, removal: &Removal<'_>) -> impl Future<Output = Result<Removed, BoxedPortError>>;
}
