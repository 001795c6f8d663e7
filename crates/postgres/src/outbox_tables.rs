//! Outbox tables behind the port of the delivery protocol, in a session of their own.

use std::sync::{Arc, Weak};

use tokio::sync::watch;
use walcast_delivery::{
    BoxedPortError, OutboxCleanupConfig, OutboxLook, OutboxTables, Precondition, Removal, Removed,
    SourceState, SystemIdentifier,
};
use walcast_mapper::TableName;
use walcast_pgoutput::Oid;

use crate::catalog;
use crate::config::PostgresConfig;
use crate::connect::{SqlSession, connect_to};
use crate::error::PostgresError;
use crate::primary::{connect_primary, on_primary};
use crate::wal_watch::PostgresWalWatch;

/// Clean-up must not keep the application waiting, nor hold back VACUUM. A policy that hides rows is an error: a table without visible
/// rows would count as empty.
const SETTINGS: &str = "SET lock_timeout = '1s'; SET statement_timeout = '30s'; SET row_security = off";

/// Outbox tables of a connector, on the server where it leads.
pub struct PostgresOutboxTables {
    config: PostgresConfig,
    /// Session of the leader, which is not kept open.
    leader: watch::Receiver<Weak<SqlSession>>,
    own: Option<OwnSession>,
    /// Number of sessions so far.
    sessions: u64,
}

/// Session of clean-up.
struct OwnSession {
    session: SqlSession,
    /// Session of the leader whose server it is on.
    leader: Weak<SqlSession>,
    system_identifier: SystemIdentifier,
}

impl PostgresOutboxTables {
    /// Outbox tables on the server of the leader, whose connection a probe of the WAL uses.
    #[must_use]
    pub fn of_leader(probe: &PostgresWalWatch, config: PostgresConfig) -> Self {
        Self {
            config,
            leader: probe.leader.clone(),
            own: None,
            sessions: 0,
        }
    }

    /// Takes the session, which the caller puts back unless a statement has failed or was abandoned; `None` if the connector does not
    /// lead.
    async fn take(&mut self) -> Result<Option<OwnSession>, PostgresError> {
        let own = self.own.take();
        // Not borrowed for longer, because the source could not acquire leadership meanwhile.
        let leader = self.leader.borrow().upgrade();
        let Some(leader) = leader.filter(|leader| !leader.has_ended()) else {
            return Ok(None);
        };
        let of_leader = Arc::downgrade(&leader);
        if let Some(own) = own
            && !own.session.has_ended()
            && own.leader.ptr_eq(&of_leader)
        {
            return Ok(Some(own));
        }
        let cluster = catalog::cluster(&leader.client).await?;
        let application_name = self.config.application_name();
        let session = connect_to(&self.config.connect, leader.endpoint.clone(), &application_name).await?;
        on_primary(&session, cluster.system_identifier).await?;
        catalog::execute(&session.client, "preparing the session", SETTINGS).await?;
        self.sessions += 1;
        Ok(Some(OwnSession {
            session,
            leader: of_leader,
            system_identifier: cluster.system_identifier,
        }))
    }

    async fn needed(&mut self) -> Result<OwnSession, PostgresError> {
        self.take().await?.ok_or(PostgresError::NotLeading)
    }
}

impl OutboxTables for PostgresOutboxTables {
    async fn look(&mut self, tables: &[TableName]) -> Result<Option<OutboxLook>, BoxedPortError> {
        let Some(own) = self.take().await? else {
            return Ok(None);
        };
        let (client, version) = (&own.session.client, own.session.server_version);
        let server = catalog::server_state(client).await?;
        let (horizon, end) = catalog::horizon(client).await?;
        let tables = catalog::outbox_tables(client, version, &self.config.publication, tables).await?;
        let look = OutboxLook {
            system_identifier: own.system_identifier,
            timeline: server.timeline,
            session: self.sessions,
            horizon,
            end,
            tables,
        };
        self.own = Some(own);
        Ok(Some(look))
    }

    async fn next_transaction(&mut self) -> Result<u64, BoxedPortError> {
        let own = self.needed().await?;
        let next = catalog::next_transaction(&own.session.client).await?;
        self.own = Some(own);
        Ok(next)
    }

    async fn is_empty(&mut self, table: Oid) -> Result<bool, BoxedPortError> {
        let own = self.needed().await?;
        let client = &own.session.client;
        let is_empty = match catalog::table_name(client, table).await? {
            Some(name) => catalog::is_empty(client, table, &name).await?,
            None => false,
        };
        self.own = Some(own);
        Ok(is_empty)
    }

    async fn remove(&mut self, removal: &Removal<'_>) -> Result<Removed, BoxedPortError> {
        let own = self.needed().await?;
        let removed = catalog::remove(&own.session.client, removal).await?;
        self.own = Some(own);
        Ok(removed)
    }
}

/// Whether clean-up has the privileges that it needs, for each captured outbox with clean-up.
///
/// # Errors
/// The server cannot be reached or does not answer.
pub async fn cleanup_preconditions(
    config: &PostgresConfig,
    cleanup: &OutboxCleanupConfig,
    source_state: &SourceState,
) -> Result<Vec<Precondition>, PostgresError> {
    let mut found = Vec::new();
    if cleanup.is_off() {
        return Ok(found);
    }
    let (session, _) = connect_primary(config).await?;
    for table in source_state.captured.iter().map(|table| &table.name) {
        let Some(rule) = cleanup.rule(table) else {
            continue;
        };
        let name = format!("clean-up of outbox {table}");
        let missing = catalog::missing_privileges(&session.client, table, &rule.action).await?;
        found.push(if missing.is_empty() {
            Precondition::holds(name, "the role may do it")
        } else {
            Precondition::warned(
                name,
                "the role may not do it; events are delivered, and their rows stay",
                format!("run: {}", missing.join("; ")),
            )
        });
    }
    Ok(found)
}
