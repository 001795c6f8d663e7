//! Tail: a stream from a connection string alone, which leaves no objects behind.
//!
//! The slot is temporary and ends with the connection. pgoutput needs a publication: a given one is used; otherwise a publication
//! `walcast_tail_<pid of its session>` is created, which [`Tail::close`] drops. After a crash the publication remains: the server then
//! still rejects updates of its tables that lose their replica identity. The next tail of the same database drops the publications of
//! ended sessions, and the preconditions name them.

use std::sync::Arc;

use walcast_delivery::{BoxedPortError, Catalog, Partitions, Persistence, sql};
use walcast_mapper::pattern::TablePattern;
use walcast_mapper::{ReselectRequest, TableMetadata, TableName};
use walcast_pgoutput::{FrameBlock, Lsn, Relation, Xid};

use crate::catalog::{self, TAIL_PREFIX};
use crate::config::QUEUE_BYTES_DEFAULT;
use crate::connect::{ConnectConfig, SqlSession, connect_ordinary, connect_replication};
use crate::encoding::Texts;
use crate::error::PostgresError;
use crate::replication::{
    ReplicationConnection, ReplicationFeedback, ReplicationStream, SlotKind, StreamSettings, stream,
};
use crate::slot_creation::SlotCreationObserver;

/// Tables of a tail.
#[derive(Clone, Debug)]
pub enum Selection {
    /// An existing publication.
    Publication(String),
    /// These tables; a publication is created for them.
    Tables(Vec<TablePattern>),
}

/// Running tail.
pub struct Tail {
    stream: ReplicationStream,
    feedback: ReplicationFeedback,
    session: Arc<SqlSession>,
    created_publication: Option<String>,
    start: Lsn,
}

const APPLICATION_NAME: &str = "walcast/tail";
const CREATING: &str = "creating a publication";

/// `insufficient_privilege`.
const INSUFFICIENT_PRIVILEGE: &str = "42501";

/// Streams transactions that commit from now on.
///
/// # Errors
/// The server cannot be reached or returns an error: no `REPLICATION`, no right to create a publication, no such table.
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
            // The server itself would return an error only at the first change.
            let found = catalog::publication(&session.client, session.server_version, &name).await?;
            if found.is_none() {
                return Err(PostgresError::PublicationMissing { publication: name });
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
    /// Next frames, in order. Cancel-safe.
    ///
    /// # Errors
    /// The stream has ended: the server's reason, or the error of the connection.
    pub async fn next_block(&mut self) -> Result<FrameBlock, PostgresError> {
        self.stream.next_block().await
    }

    /// Handle that confirms printed transactions, so that the server can remove WAL.
    #[must_use]
    pub fn feedback(&self) -> ReplicationFeedback {
        self.feedback.clone()
    }

    /// Catalog queries.
    #[must_use]
    pub fn catalog(&self) -> TailCatalog {
        TailCatalog {
            session: Arc::clone(&self.session),
        }
    }

    /// Start of the stream: it sends transactions that end after this position.
    #[must_use]
    pub fn start(&self) -> Lsn {
        self.start
    }

    /// Ends the stream and with it the slot, and drops a created publication.
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

/// Catalog queries of a tail.
pub struct TailCatalog {
    session: Arc<SqlSession>,
}

impl Catalog for TailCatalog {
    /// A tail captures every table of its publication.
    fn captures(&self, _: &TableName) -> bool {
        true
    }

    async fn table_metadata(
        &mut self,
        relation: &Relation,
        after: Option<Xid>,
    ) -> Result<TableMetadata, BoxedPortError> {
        Ok(catalog::table_metadata(&self.session.client, relation, after).await?)
    }

    async fn reselect(
        &mut self,
        unsent: &ReselectRequest<'_>,
    ) -> Result<Option<Vec<Option<String>>>, BoxedPortError> {
        Ok(catalog::reselect(&self.session.client, unsent).await?)
    }
}

async fn create_publication(
    session: &SqlSession,
    patterns: &[TablePattern],
) -> Result<String, PostgresError> {
    let (client, version) = (&session.client, session.server_version);
    let left = catalog::left_publications(client).await?;
    for publication in left.into_iter().filter(|publication| publication.is_own) {
        drop_publication(session, &publication.name).await?;
    }
    let captured = catalog::captured_tables(client, version, patterns, &[], None, Partitions::Root).await?;
    if let Some(pattern) = captured.unmatched_patterns.into_iter().next() {
        return Err(PostgresError::NoTableMatches { pattern });
    }
    // Once a table without replica identity is published, its updates fail in the application.
    let (sound, unsound): (Vec<_>, Vec<_>) = captured
        .tables
        .into_iter()
        .partition(|table| table.identifies_rows && table.persistence == Persistence::Permanent);
    for table in unsound {
        tracing::warn!(relation = %table.name, "table is left out: it has no replica identity, or is unlogged");
    }
    let tables: Vec<TableName> = sound.into_iter().map(|table| table.name).collect();
    let name = format!("{TAIL_PREFIX}{}", catalog::backend_pid(client).await?);
    let sql = sql::create_publication(&name, &tables, version, Partitions::Root);
    match catalog::execute(client, CREATING, &sql).await {
        Ok(()) => Ok(name),
        Err(PostgresError::Server { error, .. }) if error.code == INSUFFICIENT_PRIVILEGE => {
            Err(PostgresError::MayNotPublish {
                publications: catalog::publication_names(client).await?,
                error,
            })
        }
        Err(error) => Err(error),
    }
}

async fn drop_publication(session: &SqlSession, name: &str) -> Result<(), PostgresError> {
    let sql = format!("DROP PUBLICATION IF EXISTS {}", sql::identifier(name));
    catalog::execute(&session.client, "dropping the publication", &sql).await
}

/// Starts the stream. The publication exists before the slot, because decoding must find it.
async fn start(
    config: &ConnectConfig,
    session: &SqlSession,
    publication: &str,
) -> Result<(ReplicationStream, ReplicationFeedback, Lsn), PostgresError> {
    let texts = Texts::converted_by_server(session);
    let wire = connect_replication(
        config,
        &session.endpoint,
        session.server_version,
        APPLICATION_NAME,
        None,
        texts.client_encoding(),
    )
    .await?;
    let mut replication = ReplicationConnection::new(wire).with_texts(texts);
    let wal_sender_timeout = replication.wal_sender_timeout().await?;
    let slot = format!("{TAIL_PREFIX}{}", catalog::backend_pid(&session.client).await?);
    let created = replication
        .create_slot(
            &slot,
            SlotKind::Temporary,
            false,
            session.server_version,
            SlotCreationObserver::unnamed(),
        )
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
