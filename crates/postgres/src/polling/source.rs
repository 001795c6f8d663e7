//! Source: the server with outboxes that are polled.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;
use walcast_delivery::{Backlog, BoxedPortError, PolledSource, PolledTable, RoleState, RowKey};
use walcast_mapper::config::OutboxRule;
use walcast_pgoutput::{Lsn, Oid};

use super::at_position::PostgresRowsAtPosition;
use super::claims::{self, PostgresClaims};
use super::leadership::LeaderTransaction;
use super::session::connect;
use super::statements::Statements;
use super::{backlog, listener, tables};
use crate::config::PostgresConfig;
use crate::connect::SqlSession;
use crate::error::PostgresError;

/// Server with outboxes that are polled.
pub struct PostgresOutboxes {
    config: Arc<PostgresConfig>,
    outboxes: Vec<OutboxRule>,
    role: RoleState,
    /// Whether the server was reached before.
    was_connected: bool,
    /// Configuration of the stream to which the outboxes are handed over.
    streaming: Option<PostgresConfig>,
    leader: Option<LeaderTransaction>,
    /// Session that marks rows at a start, and reads the backlog later.
    observer: Option<SqlSession>,
    statements: Arc<BTreeMap<Oid, Statements>>,
    woken: watch::Sender<u64>,
}

impl PostgresOutboxes {
    /// Creates the source, without connecting. `outboxes` are the rules of the outboxes that are polled.
    ///
    /// # Errors
    /// [`PostgresError::Setting`] for a setting that the server would reject.
    pub fn new(config: PostgresConfig, outboxes: Vec<OutboxRule>) -> Result<Self, PostgresError> {
        config.validate()?;
        Ok(Self {
            config: Arc::new(config),
            outboxes,
            role: RoleState::default(),
            was_connected: false,
            streaming: None,
            leader: None,
            observer: None,
            statements: Arc::default(),
            woken: watch::Sender::new(0),
        })
    }

    /// Reports a session that keeps this instance from leading.
    #[must_use]
    pub fn reporting_to(self, role: RoleState) -> Self {
        Self { role, ..self }
    }

    /// Hands the outboxes over to a stream with this configuration.
    #[must_use]
    pub fn handing_over_to(self, streaming: PostgresConfig) -> Self {
        Self {
            streaming: Some(streaming),
            ..self
        }
    }

    fn observer(&self) -> Result<&SqlSession, PostgresError> {
        self.observer.as_ref().ok_or(PostgresError::NotLeading)
    }

    fn statements(&self, table: &PolledTable) -> Result<&Statements, PostgresError> {
        self.statements
            .get(&table.relation.oid)
            .ok_or(PostgresError::NotLeading)
    }

    async fn find_tables(&mut self) -> Result<Vec<PolledTable>, PostgresError> {
        let observer = connect(&self.config).await?;
        let found = tables::find(&observer, &self.config, &self.outboxes).await?;
        self.observer = Some(observer);
        let statements = found
            .iter()
            .map(|found| (found.table.relation.oid, Statements::of(found)));
        self.statements = Arc::new(statements.collect());
        Ok(found.into_iter().map(|found| found.table).collect())
    }
}

impl PolledSource for PostgresOutboxes {
    type Claims = PostgresClaims;
    type AtPosition = PostgresRowsAtPosition;

    async fn acquire_leadership(&mut self) -> Result<(), BoxedPortError> {
        self.step_down();
        let connected = connect(&self.config).await;
        let session = connected.map_err(|error| error.at_connection(self.was_connected))?;
        self.was_connected = true;
        let leader = LeaderTransaction::acquire(session, &self.config, &self.role).await?;
        self.leader = Some(leader);
        Ok(())
    }

    fn step_down(&mut self) {
        self.observer = None;
        self.leader = None;
    }

    async fn tables(&mut self) -> Result<Vec<PolledTable>, BoxedPortError> {
        Ok(self.find_tables().await?)
    }

    async fn claims(&self) -> Result<PostgresClaims, BoxedPortError> {
        let session = connect(&self.config).await?;
        Ok(PostgresClaims::new(session, Arc::clone(&self.statements)))
    }

    async fn rows_at_position(&self) -> Result<(Lsn, PostgresRowsAtPosition), BoxedPortError> {
        let streaming = self.streaming.as_ref().ok_or(PostgresError::NotLeading)?;
        let (reading, session) = (connect(&self.config).await?, connect(&self.config).await?);
        let claims = PostgresClaims::new(session, Arc::clone(&self.statements));
        Ok(Box::pin(PostgresRowsAtPosition::take(streaming, reading, claims)).await?)
    }

    async fn mark(&self, table: &PolledTable, keys: &[RowKey]) -> Result<u64, BoxedPortError> {
        let marked = claims::mark_alone(self.observer()?, self.statements(table)?, keys).await;
        Ok(marked?)
    }

    async fn backlog(&self, table: &PolledTable) -> Result<Backlog, BoxedPortError> {
        let backlog = backlog::read(self.observer()?, self.statements(table)?).await;
        Ok(backlog?)
    }

    async fn lost(&self) -> BoxedPortError {
        match &self.leader {
            Some(leader) => PostgresError::LeadershipLost {
                name: self.config.name.clone(),
                why: leader.lost().await,
            }
            .into(),
            None => PostgresError::NotLeading.into(),
        }
    }

    async fn listen(&self) -> Infallible {
        let channels = self.outboxes.iter().filter_map(|rule| rule.poll.notify.clone());
        listener::listen(&self.config, &channels.collect(), &self.woken).await
    }

    fn woken(&self) -> watch::Receiver<u64> {
        self.woken.subscribe()
    }
}

impl fmt::Debug for PostgresOutboxes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOutboxes")
            .field("name", &self.config.name)
            .field("outboxes", &self.outboxes.len())
            .finish_non_exhaustive()
    }
}
