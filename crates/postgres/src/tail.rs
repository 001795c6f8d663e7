//! A stream for `walcast tail`: from a connection string alone, leaving nothing behind.
//!
//! The slot is temporary: it vanishes with the connection. pgoutput needs a publication: a given one is used; else one named
//! `walcast_tail_<pid of its session>` is created and dropped by [`Tail::close`]. After a crash it stays, which costs nothing but
//! its name; the next tail of the same database drops those whose session is gone.

use std::sync::Arc;

use walcast_delivery::{BoxedFault, Catalog, Partitions, Persistence, sql};
use walcast_mapper::{TableFacts, TableName, TablePattern, Unsent};
use walcast_pgoutput::{FrameBlock, Lsn, Oid, Xid};

use crate::QUEUE_BYTES_DEFAULT;
use crate::catalog;
use crate::connect::{ConnectConfig, Session, connect_ordinary, connect_replication};
use crate::error::PostgresError;
use crate::replication::{
    ReplicationConnection, ReplicationFeedback, ReplicationStream, SlotKind, StreamSettings, stream,
};

/// What is tailed.
#[derive(Clone, Debug)]
pub enum Selection {
    /// An existing publication.
    Publication(String),
    /// These tables; a publication is created for them.
    Tables(Vec<TablePattern>),
}

/// A running tail.
pub struct Tail {
    stream: ReplicationStream,
    feedback: ReplicationFeedback,
    session: Arc<Session>,
    created_publication: Option<String>,
    start: Lsn,
}

const APPLICATION_NAME: &str = "walcast/tail";
const PREFIX: &str = "walcast_tail_";

/// Streams what is committed from now on.
///
/// # Errors
/// The server cannot be reached or refuses: no `REPLICATION`, no right to create a publication, no such table.
pub async fn open(config: &ConnectConfig, selection: Selection) -> Result<Tail, PostgresError> {
    let connected = connect_ordinary(config, APPLICATION_NAME).await;
    let session = Arc::new(connected.map_err(PostgresError::at_first_connection)?);
    if catalog::cluster(&session.client).await?.in_recovery {
        return Err(PostgresError::InRecovery {
            endpoint: session.endpoint.to_string(),
        });
    }
    let (publication, created_publication) = match selection {
        Selection::Publication(name) => {
            // The server itself would complain only at the first change.
            let found = catalog::publication(&session.client, session.server_version, &name).await?;
            if found.is_none() {
                return Err(PostgresError::Setting {
                    setting: "publication",
                    value: name,
                    problem: "does not exist",
                });
            }
            (name, None)
        }
        Selection::Tables(patterns) => {
            let name = create_publication(&session, &patterns).await?;
            (name.clone(), Some(name))
        }
    };
    match start(config, &session, &publication).await {
        Ok((stream, feedback, start)) => Ok(Tail {
            stream,
            feedback,
            session,
            created_publication,
            start,
        }),
        Err(error) => {
            if let Some(name) = created_publication {
                drop_publication(&session, &name).await?;
            }
            Err(error)
        }
    }
}

impl Tail {
    /// The next frames, in order. Cancel-safe.
    ///
    /// # Errors
    /// The stream has ended: the server's reason, or what happened to the connection.
    pub async fn next_block(&mut self) -> Result<FrameBlock, PostgresError> {
        self.stream.next_block().await
    }

    /// Confirms what has been printed, so that the server can let go of its log.
    #[must_use]
    pub fn feedback(&self) -> ReplicationFeedback {
        self.feedback.clone()
    }

    /// Catalog look-ups.
    #[must_use]
    pub fn catalog(&self) -> TailCatalog {
        TailCatalog {
            session: Arc::clone(&self.session),
        }
    }

    /// Where the stream began: transactions that end after it come.
    #[must_use]
    pub fn start(&self) -> Lsn {
        self.start
    }

    /// Ends the stream; the slot vanishes, and a publication that was created is dropped.
    ///
    /// # Errors
    /// The publication cannot be dropped.
    pub async fn close(self) -> Result<(), PostgresError> {
        let ended = self.stream.end().await;
        if let Some(name) = &self.created_publication {
            drop_publication(&self.session, name).await?;
        }
        ended
    }
}

/// Catalog look-ups of a tail.
pub struct TailCatalog {
    session: Arc<Session>,
}

impl Catalog for TailCatalog {
    /// A tail shows all that its publication sends.
    fn captures(&self, _: &TableName) -> bool {
        true
    }

    async fn table_facts(&mut self, relation: Oid, after: Option<Xid>) -> Result<TableFacts, BoxedFault> {
        Ok(catalog::table_facts(&self.session.client, relation, after).await?)
    }

    async fn reselect(&mut self, unsent: &Unsent<'_>) -> Result<Option<Vec<Option<String>>>, BoxedFault> {
        Ok(catalog::reselect(&self.session.client, unsent).await?)
    }
}

async fn create_publication(session: &Session, patterns: &[TablePattern]) -> Result<String, PostgresError> {
    let (client, version) = (&session.client, session.server_version);
    for leftover in catalog::leftover_publications(client, PREFIX).await? {
        drop_publication(session, &leftover).await?;
    }
    let captured = catalog::captured_tables(client, version, patterns, &[], None, Partitions::Root).await?;
    if let Some(pattern) = captured.unmatched_patterns.into_iter().next() {
        return Err(PostgresError::Setting {
            setting: "tables",
            value: pattern,
            problem: "matches no table",
        });
    }
    // A table that does not identify its rows would have its updates refused in the application once it is published.
    let (sound, unsound): (Vec<_>, Vec<_>) = captured
        .tables
        .into_iter()
        .partition(|table| table.identifies_rows && table.persistence == Persistence::Permanent);
    for table in unsound {
        tracing::warn!(relation = %table.name, "left out: it has no replica identity, or is unlogged");
    }
    let tables: Vec<TableName> = sound.into_iter().map(|table| table.name).collect();
    let name = format!("{PREFIX}{}", catalog::backend_pid(client).await?);
    let sql = sql::create_publication(&name, &tables, version, Partitions::Root);
    catalog::execute(client, "creating a publication", &sql).await?;
    Ok(name)
}

async fn drop_publication(session: &Session, name: &str) -> Result<(), PostgresError> {
    let sql = format!("DROP PUBLICATION IF EXISTS {}", sql::identifier(name));
    catalog::execute(&session.client, "dropping the publication", &sql).await
}

/// The publication is there before the slot: what the slot decodes must find it.
async fn start(
    config: &ConnectConfig,
    session: &Session,
    publication: &str,
) -> Result<(ReplicationStream, ReplicationFeedback, Lsn), PostgresError> {
    let wire = connect_replication(config, &session.endpoint, APPLICATION_NAME, None).await?;
    let mut replication = ReplicationConnection::new(wire);
    let wal_sender_timeout = replication.wal_sender_timeout().await?;
    let slot = format!("{PREFIX}{}", catalog::backend_pid(&session.client).await?);
    let created = replication
        .create_slot(&slot, SlotKind::Temporary, false, session.server_version)
        .await?;
    let from = created.consistent_point;
    replication
        .start_replication(
            &slot,
            publication,
            from,
            session.server_version,
            std::time::Duration::ZERO,
        )
        .await?;
    let settings = StreamSettings {
        slot,
        from,
        queue_bytes: QUEUE_BYTES_DEFAULT,
        wal_sender_timeout,
        client: None,
    };
    let (stream, feedback) = stream(replication, settings);
    Ok((stream, feedback, from))
}
