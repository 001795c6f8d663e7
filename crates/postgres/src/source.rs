//! Postgres behind the ports of the delivery protocol: [`Source`] and the parts of a started stream.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::watch;
use walcast_delivery::condition::Condition;
use walcast_delivery::{
    BoxedPortError, Catalog, CreatedSlot, PortError, PreconditionOutcome, Published, RoleState, RowsCatalog,
    SlotCreationState, Source, SourceState, SourceWatch, Started, Timeline, sql,
};
use walcast_mapper::{ReselectRequest, TableMetadata, TableName};
use walcast_pgoutput::{Lsn, Relation, Xid};

use crate::catalog;
use crate::config::{FAILOVER_SLOTS_SINCE, Failover, PostgresConfig};
use crate::connect::{ServerEncoding, SqlSession, connect_to};
use crate::encoding::OwnConversion;
use crate::error::PostgresError;
use crate::leader_session::{LeaderSession, open_replication};
use crate::leadership::Leadership;
use crate::primary::{connect_primary, on_primary};
use crate::publishing::publish;
use crate::replication::{
    ExportedSnapshot, ReplicationConnection, ReplicationFeedback, ReplicationStream, SlotKind,
    StreamSettings, stream,
};
use crate::slot_creation::{self, SlotCreationObserver};
use crate::snapshot::{PostgresSnapshots, import};
use crate::source_state::{inspect, log_unreadable_names};
use crate::stale_walsender;
use crate::wal_watch::PostgresWalWatch;

/// How long an active slot is awaited: a connection that has just ended holds the slot for a moment.
const SLOT_PATIENCE: Duration = Duration::from_secs(1);

/// Postgres database whose changes are captured.
///
/// One connection holds leadership, one runs catalog queries, and a replication connection streams. All of them reach the same server,
/// which is checked.
pub struct PostgresSource {
    config: Arc<PostgresConfig>,
    leadership: Option<Arc<Leadership>>,
    leader: Option<LeaderSession>,
    /// The same session, for [`PostgresWalWatch`], which must not keep it open.
    leader_watch: watch::Sender<Weak<SqlSession>>,
    /// Replication connection, opened by the first use and consumed by the stream.
    replication: Option<ReplicationConnection>,
    was_connected: bool,
    /// Shows the session that keeps this instance from leading.
    role: RoleState,
    /// Shows the transactions that the creation of a slot waits for.
    slot_creation: SlotCreationState,
    own_conversion: OwnConversion,
}

impl PostgresSource {
    /// Creates a source, without connecting.
    ///
    /// # Errors
    /// A setting is invalid: a name that Postgres does not allow, or no tables.
    pub fn new(config: PostgresConfig) -> Result<Self, PostgresError> {
        config.validate()?;
        Ok(Self {
            config: Arc::new(config),
            leadership: None,
            leader: None,
            leader_watch: watch::Sender::new(Weak::new()),
            replication: None,
            was_connected: false,
            role: RoleState::default(),
            slot_creation: SlotCreationState::default(),
            own_conversion: OwnConversion::default(),
        })
    }

    /// Reports to `role` when a session that is no instance of the connector keeps this instance from leading.
    #[must_use]
    pub fn reporting_to(mut self, role: RoleState) -> Self {
        self.role = role;
        self
    }

    /// Reports to `state` the transactions that the creation of a slot waits for.
    #[must_use]
    pub fn reporting_slot_creation_to(mut self, state: SlotCreationState) -> Self {
        self.slot_creation = state;
        self
    }

    /// Has texts of the stream converted to UTF-8 one by one from the start, and not only after the server could not convert one: for
    /// a caller that does not connect again after an error.
    #[must_use]
    pub fn converting_texts_singly(mut self) -> Self {
        self.own_conversion = OwnConversion::switched_on();
        self
    }

    /// Probe of the WAL that the slot retains, which works while this source leads.
    #[must_use]
    pub fn wal_watch(&self) -> PostgresWalWatch {
        PostgresWalWatch {
            leader: self.leader_watch.subscribe(),
            slot: self.config.slot.clone(),
            with_directory: self.config.wal_disk_size.is_some(),
        }
    }

    async fn try_acquire_leadership(&mut self) -> Result<(), PostgresError> {
        let leads = self
            .leadership
            .as_ref()
            .is_some_and(|leadership| !leadership.is_lost());
        let is_connected = self
            .leader
            .as_ref()
            .is_some_and(|leader| !leader.session.has_ended());
        if leads && is_connected {
            return Ok(());
        }
        self.step_down();
        let config = &*self.config;
        let connected = connect_primary(config).await;
        let (session, system_identifier) =
            connected.map_err(|error| error.at_connection(self.was_connected))?;
        if config.failover == Failover::Always && session.server_version < FAILOVER_SLOTS_SINCE {
            return Err(PostgresError::NoFailoverSlots {
                version: session.server_version,
            });
        }
        self.was_connected = true;
        let leadership =
            Leadership::acquire(session, &config.name, config.leader_timeout, &self.role).await?;
        let endpoint = leadership.session.endpoint.clone();
        let session = connect_to(&config.connect, endpoint, &config.application_name()).await?;
        on_primary(&session, system_identifier).await?;
        let session = Arc::new(session);
        self.leader_watch.send_replace(Arc::downgrade(&session));
        self.leadership = Some(Arc::new(leadership));
        self.leader = Some(LeaderSession {
            session,
            system_identifier,
            own_conversion: self.own_conversion.clone(),
        });
        Ok(())
    }

    fn leader(&self) -> Result<LeaderSession, PostgresError> {
        self.leader.clone().ok_or(PostgresError::NotLeading)
    }

    fn leadership(&self) -> Result<Arc<Leadership>, PostgresError> {
        self.leadership.clone().ok_or(PostgresError::NotLeading)
    }

    /// Replication connection. When there is none, one is opened and checked to be on the leader's server.
    async fn replication(
        &mut self,
        leader: &LeaderSession,
    ) -> Result<&mut ReplicationConnection, PostgresError> {
        let connection = match self.replication.take() {
            Some(connection) => connection,
            None => open_replication(&self.config, leader).await?,
        };
        Ok(self.replication.insert(connection))
    }

    async fn try_survey(&mut self, known: Option<Timeline>) -> Result<SourceState, PostgresError> {
        let leader = self.leader()?;
        let mut history = Vec::new();
        let replication = self.replication(&leader).await?;
        let identity = match replication.identify_system().await {
            Ok(identity) => identity,
            Err(error) => {
                self.replication = None;
                return Err(error);
            }
        };
        if known.is_some_and(|known| known != identity.timeline) {
            history = match replication.timeline_history(identity.timeline).await {
                Ok(history) => history,
                Err(error) => {
                    self.replication = None;
                    return Err(error);
                }
            };
        }
        let found = inspect(&leader.session, &self.config, leader.system_identifier, history).await?;
        log_unreadable_names(&leader.session, &self.config, &found).await?;
        Ok(found)
    }

    async fn try_create_slot(&mut self, with_snapshot: bool) -> Result<CreatedSlot<Self>, PostgresError> {
        let leader = self.leader()?;
        let slot = self.config.slot.clone();
        let version = leader.session.server_version;
        if with_snapshot {
            self.check_readable(&leader).await?;
        }
        // Snapshots of a standby are taken once changes are streamed.
        let with_snapshot = with_snapshot && self.config.reader.is_none();
        let is_failover = self.config.creates_failover_slot(version);
        let observer =
            SlotCreationObserver::new(Arc::clone(&leader.session.client), self.slot_creation.clone());
        let replication = self.replication(&leader).await?;
        let kind = SlotKind::Permanent { is_failover };
        let exported = replication
            .create_slot(&slot, kind, with_snapshot, version, observer)
            .await?;
        let ExportedSnapshot {
            consistent_point,
            snapshot,
        } = exported;
        let snapshot = if with_snapshot {
            let config = &self.config;
            Some(
                import(
                    &leader.session,
                    config,
                    &config.connect,
                    consistent_point,
                    snapshot.as_deref(),
                    &leader.own_conversion,
                )
                .await?,
            )
        } else {
            None
        };
        Ok(CreatedSlot {
            consistent_point,
            snapshot,
        })
    }

    /// Checks that existing rows can be read, before the slot is created: the slot would retain WAL until the privileges are granted.
    async fn check_readable(&self, leader: &LeaderSession) -> Result<(), PostgresError> {
        let (session, config) = (&leader.session, &self.config);
        let found = current_state(leader, config).await?;
        match catalog::existing_rows(&session.client, config, &found)
            .await?
            .map(|found| found.outcome)
        {
            Some(PreconditionOutcome::Failed { found, fix }) => {
                Err(PostgresError::RowsUnreadable { why: found, fix })
            }
            Some(_) | None => Ok(()),
        }
    }

    async fn try_start(&mut self, from: Lsn) -> Result<Started<Self>, PostgresError> {
        let (leadership, leader) = (self.leadership()?, self.leader()?);
        self.replication(&leader).await?;
        // Taken out, so that the next start opens a new connection, whatever happens from here on.
        let mut replication = self.replication.take().ok_or(PostgresError::NotLeading)?;
        let wal_sender_timeout = replication.wal_sender_timeout().await?;
        let waited =
            stale_walsender::terminate_stale_walsender(&leadership, &self.config, wal_sender_timeout).await?;
        let config = &self.config;
        let server_version = leader.session.server_version;
        if config.failover == Failover::Always
            && !catalog::is_failover_slot(&leader.session.client, &config.slot).await?
        {
            replication.make_failover_slot(&config.slot).await?;
        }
        let started = replication
            .start_replication(
                &config.slot,
                &config.publication,
                from,
                server_version,
                SLOT_PATIENCE,
            )
            .await;
        if let Err(error) = started {
            let application_name = config.application_name();
            return Err(slot_creation::with_holder(error, &leader.session, &application_name, waited).await);
        }
        let settings = StreamSettings {
            slot: config.slot.clone(),
            from,
            queue_bytes: config.queue_bytes,
            wal_sender_timeout,
            client: Some(Arc::clone(&leader.session.client)),
        };
        let (stream, feedback) = stream(replication, settings);
        Ok(Started {
            stream,
            feedback,
            catalog: PostgresCatalog {
                leader: leader.clone(),
                config: Arc::clone(config),
                reading: None,
            },
            snapshots: PostgresSnapshots::new(leader.clone(), Arc::clone(config), self.slot_creation.clone()),
            watch: PostgresWatch {
                leadership,
                leader,
                config: Arc::clone(config),
            },
        })
    }
}

impl Source for PostgresSource {
    type Stream = ReplicationStream;
    type Feedback = ReplicationFeedback;
    type Catalog = PostgresCatalog;
    type Watch = PostgresWatch;
    type Snapshots = PostgresSnapshots;

    async fn acquire_leadership(&mut self) -> Result<(), BoxedPortError> {
        Ok(self.try_acquire_leadership().await?)
    }

    fn step_down(&mut self) {
        self.replication = None;
        self.leader = None;
        self.leadership = None;
    }

    async fn inspect(&mut self, known: Option<Timeline>) -> Result<SourceState, BoxedPortError> {
        Ok(self.try_survey(known).await?)
    }

    async fn create_publication(&mut self, tables: &[TableName]) -> Result<(), BoxedPortError> {
        let session = self.leader()?.session;
        let version = session.server_version;
        let sql = catalog::create_publication(&session.client, version, &self.config, tables).await?;
        // Nothing is streamed yet that the wait for a lock could delay.
        let sql = format!("SET LOCAL lock_timeout = 0; {sql}");
        Ok(catalog::execute(&session.client, "creating the publication", &sql).await?)
    }

    async fn drop_publication(&mut self) -> Result<(), BoxedPortError> {
        let session = self.leader()?.session;
        let sql = format!(
            "DROP PUBLICATION IF EXISTS {}",
            sql::identifier(&self.config.publication)
        );
        Ok(catalog::execute(&session.client, "dropping the publication", &sql).await?)
    }

    async fn publish(&mut self, tables: &[TableName]) -> Result<Published, BoxedPortError> {
        Ok(publish(&self.leader()?, &self.config, tables).await?)
    }

    async fn end_slot_creation(&mut self) -> Result<(), BoxedPortError> {
        // Over the leadership connection: an instance that has lost leadership terminates nothing.
        let Some(leadership) = &self.leadership else {
            return Ok(());
        };
        let (slot, application_name) = (&self.config.slot, self.config.application_name());
        Ok(slot_creation::end_slot_creation(&leadership.session, slot, &application_name).await?)
    }

    async fn oldest_bookmark(&mut self) -> Result<Option<Lsn>, BoxedPortError> {
        Ok(catalog::oldest_bookmark(&self.leader()?.session, &self.config.slot).await?)
    }

    async fn drop_slot(&mut self) -> Result<(), BoxedPortError> {
        let session = self.leader()?.session;
        Ok(catalog::drop_slot(&session.client, &self.config.slot).await?)
    }

    async fn create_slot(&mut self, with_snapshot: bool) -> Result<CreatedSlot<Self>, BoxedPortError> {
        Ok(self.try_create_slot(with_snapshot).await?)
    }

    async fn start(&mut self, from: Lsn) -> Result<Started<Self>, BoxedPortError> {
        Ok(self.try_start(from).await?)
    }
}

async fn current_state(
    leader: &LeaderSession,
    config: &PostgresConfig,
) -> Result<SourceState, PostgresError> {
    inspect(&leader.session, config, leader.system_identifier, Vec::new()).await
}

/// Catalog queries over the leader's connection. Rows are queried over another connection, by the role that reads rows.
pub struct PostgresCatalog {
    pub(crate) leader: LeaderSession,
    pub(crate) config: Arc<PostgresConfig>,
    /// Session for values of rows, opened when it is needed, and the table that was read last: no statement that touches rows of a table
    /// runs on the leader's session.
    pub(crate) reading: Option<(SqlSession, TableName)>,
}

impl PostgresCatalog {
    async fn try_reselect(
        &mut self,
        unsent: &ReselectRequest<'_>,
    ) -> Result<Option<Vec<Option<String>>>, PostgresError> {
        let session = match self.reading.take().filter(|(session, _)| !session.has_ended()) {
            Some((session, last)) => {
                // What one table's owner can do to the session does not reach the values of another table.
                if last != *unsent.table {
                    session.restore_settings().await?;
                }
                session
            }
            None => {
                let connect = self.config.reading(&self.config.connect);
                let endpoint = self.leader.session.endpoint.clone();
                connect_to(&connect, endpoint, &self.config.application_name()).await?
            }
        };
        let values = catalog::reselect(&session.client, unsent).await;
        self.reading = Some((session, unsent.table.clone()));
        values
    }
}

impl Catalog for PostgresCatalog {
    fn captures(&self, table: &TableName) -> bool {
        // No statement can name a table whose name is not UTF-8.
        let has_unreadable = *self.leader.session.client.encoding() != ServerEncoding::Utf8;
        !(has_unreadable && table.is_unreadable()) && self.config.captures(table)
    }

    async fn table_metadata(
        &mut self,
        relation: &Relation,
        after: Option<Xid>,
    ) -> Result<TableMetadata, BoxedPortError> {
        Ok(catalog::table_metadata(&self.leader.session.client, relation, after).await?)
    }

    async fn reselect(
        &mut self,
        unsent: &ReselectRequest<'_>,
    ) -> Result<Option<Vec<Option<String>>>, BoxedPortError> {
        Ok(self.try_reselect(unsent).await?)
    }
}

impl RowsCatalog for PostgresCatalog {
    async fn inspect(&mut self) -> Result<SourceState, BoxedPortError> {
        Ok(current_state(&self.leader, &self.config).await?)
    }

    async fn refuses(
        &mut self,
        table: &TableName,
        condition: Option<&Condition>,
    ) -> Result<Option<String>, BoxedPortError> {
        let client = &self.leader.session.client;
        if let Some(why) = catalog::unreadable_reason(client, &self.config, table).await? {
            return Ok(Some(why));
        }
        let Some(condition) = condition else {
            return Ok(None);
        };
        match catalog::condition_rejection(&self.leader.session, &self.config, table, condition).await {
            // A retry does not help, for example a wrong password of the role that reads rows: the request is rejected, and the stream
            // does not need that role.
            Err(error) if !error.is_retryable() => {
                Ok(Some(format!("its condition cannot be checked: {error}")))
            }
            rejection => Ok(rejection?),
        }
    }
}

/// Probe of slot, publication and leadership.
pub struct PostgresWatch {
    leadership: Arc<Leadership>,
    leader: LeaderSession,
    config: Arc<PostgresConfig>,
}

impl SourceWatch for PostgresWatch {
    async fn inspect(&mut self) -> Result<SourceState, BoxedPortError> {
        Ok(current_state(&self.leader, &self.config).await?)
    }

    async fn publish(&mut self, tables: &[TableName]) -> Result<Published, BoxedPortError> {
        Ok(publish(&self.leader, &self.config, tables).await?)
    }

    async fn lost(&mut self) -> BoxedPortError {
        let why = tokio::select! {
            biased;
            why = self.leadership.lost() => why,
            why = self.leader.session.ended() => why,
        };
        PostgresError::LeadershipLost {
            name: self.config.name.clone(),
            why,
        }
        .into()
    }
}
