//! Port of the catalog of the Postgres server, while a stream runs.

use std::future::Future;

use walcast_mapper::{ReselectRequest, TableMetadata, TableName};
use walcast_pgoutput::{Relation, Xid};

use crate::condition::Condition;
use crate::port_error::BoxedPortError;
use crate::source_state::SourceState;

/// Catalog look-ups.
pub trait Catalog {
    /// Whether the configured patterns choose a table: a publication may hold more than is captured.
    fn captures(&self, table: &TableName) -> bool;

    /// Metadata of a table in the catalog now, with the types of the relation's columns, which can be other ones than
    /// those of the table's columns now; no columns when the table no longer exists. `after`: once this transaction
    /// shows there, which can be streamed a moment before it does.
    fn table_metadata(
        &mut self,
        relation: &Relation,
        after: Option<Xid>,
    ) -> impl Future<Output = Result<TableMetadata, BoxedPortError>>;

    /// The values that the WAL left out of an updated row, as they are now, in the order of [`ReselectRequest::columns`]; `None`
    /// when the row is gone.
    fn reselect(
        &mut self,
        unsent: &ReselectRequest<'_>,
    ) -> impl Future<Output = Result<Option<Vec<Option<String>>>, BoxedPortError>>;
}

/// Catalog against which requests to read existing rows are checked.
pub trait RowsCatalog: Catalog {
    /// As [`Source::inspect`](crate::Source::inspect), without timeline history.
    fn inspect(&mut self) -> impl Future<Output = Result<SourceState, BoxedPortError>>;

    /// Reason for which rows of a table cannot be read by a condition, as the server reports it; `None` if they can. The condition is checked
    /// and not executed.
    fn refuses(
        &mut self,
        table: &TableName,
        condition: Option<&Condition>,
    ) -> impl Future<Output = Result<Option<String>, BoxedPortError>>;
}
