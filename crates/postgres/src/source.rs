//! Postgres as the delivery loop sees it: [`Source`] and what it starts.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::watch;
use walcast_delivery::{
    BoxedFault, Catalog, CreatedSlot, Partitions, RowsCatalog, Source, SourceWatch, Started, Survey,
    SystemIdentifier, Timeline, WalLook, WalWatch, sql,
};
use walcast_mapper::{TableFacts, TableName, Unsent};
use walcast_pgoutput::{Lsn, Oid, Xid};

use crate::catalog::{self, Outcome};
use crate::config::{Failover, PostgresConfig};
use crate::connect::{Session, connect_ordinary, connect_replication, connect_to};
use crate::error::PostgresError;
use crate::lead::Lead;
use crate::predecessor;
use crate::replication::{
    ExportedSnapshot, ReplicationConnection, ReplicationFeedback, ReplicationStream, SlotKind,
    StreamSettings, stream,
};
use crate::snapshot::{PostgresSnapshots, import};
use crate::survey::survey;

/// How long a slot that became active again is waited for: a connection that has just ended holds it for a moment.
const SLOT_PATIENCE: Duration = Duration::from_secs(1);

/// `logical_decoding_work_mem` exists from here on; a server that does not know it refuses the connection.
const DECODING_WORK_MEM_SINCE: u32 = 130_000;

/// A Postgres database whose changes are captured.
///
/// One connection leads, one answers catalog questions, and a replication connection streams. All go to the same server:
/// that is checked.
pub struct PostgresSource {
    config: Arc<PostgresConfig>,
    lead: Option<Arc<Lead>>,
    leading: Option<Leading>,
    /// The same session, for [`PostgresWalWatch`], which must not keep it open.
    led: watch::Sender<Weak<Session>>,
    /// Opened by the first thing that needs it, used up by the stream.
    replication: Option<ReplicationConnection>,
    was_connected: bool,
}

/// The session that is asked, on the server where this instance leads.
#[derive(Clone)]
pub(crate) struct Leading {
    pub(crate) session: Arc<Session>,
    pub(crate) system_identifier: SystemIdentifier,
}

impl PostgresSource {
    /// A source that has not connected yet.
    ///
    /// # Errors
    /// Settings that cannot be: names that Postgres does not allow, no tables.
    pub fn new(config: PostgresConfig) -> Result<Self, PostgresError> {
        config.validate()?;
        Ok(Self {
            config: Arc::new(config),
            lead: None,
            leading: None,
            led: watch::Sender::new(Weak::new()),
            replication: None,
            was_connected: false,
        })
    }

    /// Eyes on the log that the slot holds back, which see as long as this source leads.
    #[must_use]
    pub fn wal_watch(&self) -> PostgresWalWatch {
        PostgresWalWatch {
            led: self.led.subscribe(),
            slot: self.config.slot.clone(),
            with_directory: self.config.wal_disk.is_some(),
        }
    }

    async fn try_lead(&mut self) -> Result<(), PostgresError> {
        let leads = self.lead.as_ref().is_some_and(|lead| !lead.is_lost());
        let can_ask = self
            .leading
            .as_ref()
            .is_some_and(|leading| !leading.session.has_ended());
        if leads && can_ask {
            return Ok(());
        }
        self.resign();
        let config = &*self.config;
        let connected = connect_primary(config).await;
        let (session, system_identifier) = connected.map_err(|error| {
            if self.was_connected {
                error
            } else {
                error.at_first_connection()
            }
        })?;
        if config.failover == Failover::Always && session.server_version < catalog::FAILOVER_SLOTS_SINCE {
            return Err(PostgresError::NoFailoverSlots {
                version: session.server_version,
            });
        }
        self.was_connected = true;
        let lead = Lead::take(session, &config.name, config.lead_timeout).await?;
        let endpoint = lead.session.endpoint.clone();
        let session = connect_to(&config.connect, endpoint, &config.application_name()).await?;
        on_primary(&session, system_identifier).await?;
        let session = Arc::new(session);
        self.led.send_replace(Arc::downgrade(&session));
        self.lead = Some(Arc::new(lead));
        self.leading = Some(Leading {
            session,
            system_identifier,
        });
        Ok(())
    }

    fn leading(&self) -> Result<Leading, PostgresError> {
        self.leading.clone().ok_or(PostgresError::NotLeading)
    }

    fn held_lead(&self) -> Result<Arc<Lead>, PostgresError> {
        self.lead.clone().ok_or(PostgresError::NotLeading)
    }

    /// The replication connection, opened and checked to be on the leader's server when there is none.
    async fn replication(&mut self, leading: &Leading) -> Result<&mut ReplicationConnection, PostgresError> {
        let connection = match self.replication.take() {
            Some(connection) => connection,
            None => open_replication(&self.config, leading).await?,
        };
        Ok(self.replication.insert(connection))
    }

    async fn try_survey(&mut self, known: Option<Timeline>) -> Result<Survey, PostgresError> {
        let leading = self.leading()?;
        let mut history = Vec::new();
        let replication = self.replication(&leading).await?;
        let identity = match replication.identify_system().await {
            Ok(identity) => identity,
            Err(error) => {
                self.replication = None;
                return Err(error);
            }
        };
        if known.is_some_and(|known| known != identity.timeline) {
            history = replication.timeline_history(identity.timeline).await?;
        }
        survey(&leading.session, &self.config, leading.system_identifier, history).await
    }

    async fn try_create_slot(&mut self, with_snapshot: bool) -> Result<CreatedSlot<Self>, PostgresError> {
        let leading = self.leading()?;
        let slot = self.config.slot.clone();
        let version = leading.session.server_version;
        if with_snapshot {
            self.check_readable(&leading).await?;
        }
        // Where rows are read from a standby, its snapshots are taken once changes are streamed.
        let with_snapshot = with_snapshot && self.config.reader.is_none();
        let fails_over = self.config.failover != Failover::Never && version >= catalog::FAILOVER_SLOTS_SINCE;
        let replication = self.replication(&leading).await?;
        let exported = replication
            .create_slot(&slot, SlotKind::Permanent { fails_over }, with_snapshot, version)
            .await?;
        let ExportedSnapshot {
            consistent_point,
            snapshot,
        } = exported;
        let snapshot = if with_snapshot {
            let config = &self.config;
            Some(
                import(
                    &leading,
                    config,
                    &config.connect,
                    consistent_point,
                    snapshot.as_deref(),
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

    /// A slot that was made would hold the log back until somebody has granted what is missing.
    async fn check_readable(&self, leading: &Leading) -> Result<(), PostgresError> {
        let (session, config) = (&leading.session, &self.config);
        let found = look(leading, config).await?;
        match catalog::readable(&session.client, config, &found)
            .await?
            .map(|found| found.outcome)
        {
            Some(Outcome::Failed { why, fix }) => Err(PostgresError::RowsUnreadable { why, fix }),
            Some(Outcome::Ok(_)) | None => Ok(()),
        }
    }

    async fn try_start(&mut self, from: Lsn) -> Result<Started<Self>, PostgresError> {
        let (lead, leading) = (self.held_lead()?, self.leading()?);
        self.replication(&leading).await?;
        predecessor::wait_out(&lead, &self.config).await?;
        // Taken out: whatever happens from here on, the next start begins with a new connection.
        let mut replication = self.replication.take().ok_or(PostgresError::NotLeading)?;
        let wal_sender_timeout = replication.wal_sender_timeout().await?;
        let config = &self.config;
        let server_version = leading.session.server_version;
        if config.failover == Failover::Always
            && !catalog::is_failover_slot(&leading.session.client, &config.slot).await?
        {
            replication.let_fail_over(&config.slot).await?;
        }
        replication
            .start_replication(
                &config.slot,
                &config.publication,
                from,
                server_version,
                SLOT_PATIENCE,
            )
            .await?;
        let settings = StreamSettings {
            slot: config.slot.clone(),
            from,
            queue_bytes: config.queue_bytes,
            wal_sender_timeout,
            client: Some(Arc::clone(&leading.session.client)),
        };
        let (stream, feedback) = stream(replication, settings);
        Ok(Started {
            stream,
            feedback,
            catalog: PostgresCatalog {
                leading: leading.clone(),
                config: Arc::clone(config),
            },
            snapshots: PostgresSnapshots::new(leading.clone(), Arc::clone(config)),
            watch: PostgresWatch {
                lead,
                leading,
                config: Arc::clone(config),
            },
        })
    }
}

/// Connects to the server to be captured.
pub(crate) async fn connect_primary(
    config: &PostgresConfig,
) -> Result<(Session, SystemIdentifier), PostgresError> {
    let connect = config.connect.clone().for_primary();
    let session = connect_ordinary(&connect, &config.application_name()).await?;
    let system_identifier = primary(&session).await?;
    Ok((session, system_identifier))
}

/// The cluster that a session reached, on its primary.
async fn primary(session: &Session) -> Result<SystemIdentifier, PostgresError> {
    let cluster = catalog::cluster(&session.client).await?;
    if cluster.in_recovery {
        return Err(PostgresError::InRecovery {
            endpoint: session.endpoint.to_string(),
        });
    }
    Ok(cluster.system_identifier)
}

/// Checks that a further session reached the server where this instance leads.
async fn on_primary(session: &Session, system_identifier: SystemIdentifier) -> Result<(), PostgresError> {
    let found = primary(session).await?;
    if found != system_identifier {
        return Err(PostgresError::AnotherServer {
            replication: found,
            ordinary: system_identifier,
        });
    }
    Ok(())
}

/// A replication connection to the leader's server.
pub(crate) async fn open_replication(
    config: &PostgresConfig,
    leading: &Leading,
) -> Result<ReplicationConnection, PostgresError> {
    let session = &leading.session;
    let work_mem = config
        .logical_decoding_work_mem
        .as_deref()
        .filter(|_| session.server_version >= DECODING_WORK_MEM_SINCE);
    let wire = connect_replication(
        &config.connect,
        &session.endpoint,
        &config.application_name(),
        work_mem,
    )
    .await?;
    let mut replication = ReplicationConnection::new(wire);
    let identity = replication.identify_system().await?;
    if identity.system_identifier != leading.system_identifier {
        return Err(PostgresError::AnotherServer {
            replication: identity.system_identifier,
            ordinary: leading.system_identifier,
        });
    }
    if replication.is_in_recovery().await? {
        return Err(PostgresError::InRecovery {
            endpoint: session.endpoint.to_string(),
        });
    }
    Ok(replication)
}

impl Source for PostgresSource {
    type Stream = ReplicationStream;
    type Feedback = ReplicationFeedback;
    type Catalog = PostgresCatalog;
    type Watch = PostgresWatch;
    type Snapshots = PostgresSnapshots;

    async fn lead(&mut self) -> Result<(), BoxedFault> {
        Ok(self.try_lead().await?)
    }

    fn resign(&mut self) {
        self.replication = None;
        self.leading = None;
        self.lead = None;
    }

    async fn survey(&mut self, known: Option<Timeline>) -> Result<Survey, BoxedFault> {
        Ok(self.try_survey(known).await?)
    }

    async fn create_publication(&mut self, tables: &[TableName]) -> Result<(), BoxedFault> {
        let session = self.leading()?.session;
        let (version, config) = (session.server_version, &self.config);
        let roots;
        let tables = match config.partitions {
            Partitions::Leaf if version >= sql::PARTITION_ROOTS_SINCE => {
                roots = catalog::publishable_tables(&session.client, &config.tables, &config.exclude).await?;
                &roots
            }
            Partitions::Leaf | Partitions::Root => tables,
        };
        let sql = sql::create_publication(&config.publication, tables, version, config.partitions);
        Ok(catalog::execute(&session.client, "creating the publication", &sql).await?)
    }

    async fn drop_publication(&mut self) -> Result<(), BoxedFault> {
        let session = self.leading()?.session;
        let sql = format!(
            "DROP PUBLICATION IF EXISTS {}",
            sql::identifier(&self.config.publication)
        );
        Ok(catalog::execute(&session.client, "dropping the publication", &sql).await?)
    }

    async fn publish(&mut self, tables: &[TableName]) -> Result<(), BoxedFault> {
        let session = self.leading()?.session;
        Ok(publish(&session, &self.config, tables).await?)
    }

    async fn drop_slot(&mut self) -> Result<(), BoxedFault> {
        let session = self.leading()?.session;
        Ok(catalog::drop_slot(&session.client, &self.config.slot).await?)
    }

    async fn create_slot(&mut self, with_snapshot: bool) -> Result<CreatedSlot<Self>, BoxedFault> {
        Ok(self.try_create_slot(with_snapshot).await?)
    }

    async fn start(&mut self, from: Lsn) -> Result<Started<Self>, BoxedFault> {
        Ok(self.try_start(from).await?)
    }
}

async fn look(leading: &Leading, config: &PostgresConfig) -> Result<Survey, PostgresError> {
    survey(&leading.session, config, leading.system_identifier, Vec::new()).await
}

/// Adds tables to the publication.
async fn publish(
    session: &Session,
    config: &PostgresConfig,
    tables: &[TableName],
) -> Result<(), PostgresError> {
    let sql = sql::add_to_publication(&config.publication, tables);
    catalog::execute(&session.client, "adding to the publication", &sql).await
}

/// Catalog look-ups over the leader's connection.
pub struct PostgresCatalog {
    leading: Leading,
    config: Arc<PostgresConfig>,
}

impl Catalog for PostgresCatalog {
    fn captures(&self, table: &TableName) -> bool {
        self.config.captures(table)
    }

    async fn table_facts(&mut self, relation: Oid, after: Option<Xid>) -> Result<TableFacts, BoxedFault> {
        Ok(catalog::table_facts(&self.leading.session.client, relation, after).await?)
    }

    async fn reselect(&mut self, unsent: &Unsent<'_>) -> Result<Option<Vec<Option<String>>>, BoxedFault> {
        Ok(catalog::reselect(&self.leading.session.client, unsent).await?)
    }
}

impl RowsCatalog for PostgresCatalog {
    async fn survey(&mut self) -> Result<Survey, BoxedFault> {
        Ok(look(&self.leading, &self.config).await?)
    }

    async fn refuses(
        &mut self,
        table: &TableName,
        filter: Option<&str>,
    ) -> Result<Option<String>, BoxedFault> {
        Ok(catalog::refuses(&self.leading.session.client, table, filter).await?)
    }
}

/// Eyes on slot, publication and leadership.
pub struct PostgresWatch {
    lead: Arc<Lead>,
    leading: Leading,
    config: Arc<PostgresConfig>,
}

impl SourceWatch for PostgresWatch {
    async fn survey(&mut self) -> Result<Survey, BoxedFault> {
        Ok(look(&self.leading, &self.config).await?)
    }

    async fn publish(&mut self, tables: &[TableName]) -> Result<Lsn, BoxedFault> {
        let session = &self.leading.session;
        publish(session, &self.config, tables).await?;
        Ok(catalog::end_of_log(&session.client).await?)
    }

    async fn lost(&mut self) -> BoxedFault {
        let why = tokio::select! {
            biased;
            why = self.lead.lost() => why,
            why = self.leading.session.ended() => why,
        };
        PostgresError::LeadershipLost {
            name: self.config.name.clone(),
            why,
        }
        .into()
    }
}

/// Eyes on the log that the slot holds back, over the connection of whoever leads; what they ask goes between the questions of
/// the stream.
pub struct PostgresWalWatch {
    led: watch::Receiver<Weak<Session>>,
    slot: String,
    with_directory: bool,
}

impl WalWatch for PostgresWalWatch {
    async fn look(&mut self) -> Result<Option<WalLook>, BoxedFault> {
        // Not borrowed for longer: nobody could take the lead meanwhile.
        let session = self.led.borrow().upgrade();
        let Some(session) = session.filter(|session| !session.has_ended()) else {
            return Ok(None);
        };
        let (client, version) = (&session.client, session.server_version);
        Ok(catalog::wal(client, version, &self.slot, self.with_directory).await?)
    }
}
