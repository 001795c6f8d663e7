//! Errors of the Postgres source.

mod disposition;
mod server;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use walcast_delivery::{Fix, SlotHolder, SystemIdentifier, Timeline};
use walcast_pgoutput::{DecodeError, Lsn};

use crate::connect::{ConninfoError, LoginFault, TlsSetupError};

pub(crate) use server::OBJECT_IN_USE;
pub use server::ServerError;

/// Failure of the source. No text holds a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostgresError {
    /// The connection string, or the environment that completes it, is invalid.
    #[error(transparent)]
    Conninfo(#[from] ConninfoError),
    /// A setting is invalid.
    #[error("{setting} {value:?} {problem}")]
    Setting {
        /// Name of the setting, as a field of the configuration.
        setting: &'static str,
        /// Value of the setting.
        value: String,
        /// Problem of the value, as a predicate.
        problem: &'static str,
    },
    /// The publication of a tail does not exist.
    #[error("publication {publication:?} does not exist")]
    PublicationMissing {
        /// Name of the publication.
        publication: String,
    },
    /// A pattern of a tail matches no table.
    #[error("pattern {pattern:?} matches no table")]
    NoTableMatches {
        /// The pattern.
        pattern: String,
    },
    /// A host name has no address.
    #[error("host {host:?} cannot be resolved: {source}")]
    Resolve {
        /// Name of the host.
        host: String,
        /// Error of the resolver.
        source: io::Error,
    },
    /// No server listens at the address, or the network rejects the connection.
    #[error("cannot connect to {endpoint}: {source}; check that the server runs and listens there")]
    Unreachable {
        /// Endpoint of the server.
        endpoint: String,
        /// Error of the operating system.
        source: io::Error,
    },
    /// The server did not answer within `connect_timeout`.
    #[error("no answer from {endpoint} within {} s; check host and firewall, or raise connect_timeout", limit.as_secs())]
    ConnectTimeout {
        /// Endpoint of the server.
        endpoint: String,
        /// `connect_timeout`.
        limit: Duration,
    },
    /// A query or a command was not answered in time. The connection is closed.
    #[error("no answer from {endpoint} while {doing} within {} s; check that the server responds", limit.as_secs())]
    NoAnswer {
        /// Endpoint of the server.
        endpoint: String,
        /// Operation in progress.
        doing: &'static str,
        /// Time limit of the answer.
        limit: Duration,
    },
    /// The answer to a command is larger than any of a Postgres server.
    #[error(
        "{endpoint} sent more than {messages} messages or {bytes} bytes while {doing}; is this a Postgres server?"
    )]
    AnswerTooLarge {
        /// Endpoint of the server.
        endpoint: String,
        /// Operation in progress.
        doing: &'static str,
        /// Limit of messages.
        messages: u32,
        /// Limit of bytes.
        bytes: usize,
    },
    /// The server violated a rule before the session was ready.
    #[error("{endpoint} {fault}")]
    Login {
        /// Endpoint of the server.
        endpoint: String,
        /// Rule that was violated.
        #[source]
        fault: LoginFault,
    },
    /// The role may not read a table whose rows are requested.
    #[error(
        "{source}; existing rows of {table} are to be read: GRANT SELECT ON {table} TO the connector's role"
    )]
    ReadDenied {
        /// Quoted name of the table.
        table: String,
        /// Error of the server.
        source: Box<PostgresError>,
    },
    /// Rows are to be read, and a name that no statement can contain is needed for it.
    #[error("existing rows of {table} cannot be read: {name} has no equivalent in UTF-8; rename it: {sql}")]
    UnreadableName {
        /// Quoted name of the table.
        table: String,
        /// What has the name.
        name: String,
        /// Statement that renames it.
        sql: String,
    },
    /// Requested rows cannot be read; found before any object was created.
    #[error("existing rows {why}")]
    RowsUnreadable {
        /// The rows and the reason, as a predicate.
        why: String,
        /// Change that makes the rows readable.
        fix: Fix,
    },
    /// The server rejected a statement that reads rows by a condition or a row filter. Its message may hold values of rows, and is
    /// logged at debug level only.
    #[error(
        "reading rows of {table} by a condition: the server ended the statement (SQLSTATE {code}); its message is logged at debug level, as it can hold values of rows"
    )]
    ConditionRejected {
        /// Name of the table.
        table: String,
        /// `SQLSTATE`.
        code: String,
    },
    /// Reading rows by a condition returned none in time.
    #[error(
        "reading rows of {table} by a condition: no row came within {} s, and the statement was cancelled", limit.as_secs()
    )]
    ConditionTimeout {
        /// Name of the table.
        table: String,
        /// `condition_timeout`.
        limit: Duration,
    },
    /// An established connection broke.
    #[error("the connection to {endpoint} broke off while {doing}: {source}")]
    Broken {
        /// Endpoint of the server.
        endpoint: String,
        /// Operation in progress.
        doing: &'static str,
        /// Error of the operating system.
        source: io::Error,
    },
    /// Certificates or keys for TLS cannot be used.
    #[error(transparent)]
    TlsSetup(#[from] TlsSetupError),
    /// The server has TLS disabled, and `sslmode` requires it.
    #[error(
        "{endpoint} does not speak TLS, but sslmode={mode} demands it; switch ssl on at the server, or lower sslmode"
    )]
    TlsNotSupported {
        /// Endpoint of the server.
        endpoint: String,
        /// `sslmode`.
        mode: &'static str,
    },
    /// The TLS handshake failed: an unknown CA, another host name, a rejected client certificate.
    #[error("TLS with {endpoint} failed: {source}; check sslmode, sslrootcert, sslcert and the host name")]
    TlsHandshake {
        /// Endpoint of the server.
        endpoint: String,
        /// Error of the TLS library.
        source: io::Error,
    },
    /// The server requests a password, and none is configured.
    #[error("{endpoint} wants a password for user {user:?}, and none is configured")]
    PasswordMissing {
        /// Endpoint of the server.
        endpoint: String,
        /// Role of the connection.
        user: String,
    },
    /// The password file cannot be read.
    #[error("password file {} cannot be read: {source}", path.display())]
    PasswordFile {
        /// Path of the file.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// The server requests an authentication method that is not supported.
    #[error(
        "{endpoint} wants {method} authentication, which is not supported; allow scram-sha-256 or a client certificate in pg_hba.conf"
    )]
    UnsupportedAuthentication {
        /// Endpoint of the server.
        endpoint: String,
        /// Requested method.
        method: String,
    },
    /// `channel_binding=require` is not possible.
    #[error("channel binding is required, but {endpoint} {why}")]
    ChannelBinding {
        /// Endpoint of the server.
        endpoint: String,
        /// Reason, as a predicate.
        why: &'static str,
    },
    /// SCRAM authentication failed: a wrong password, or not the real server.
    #[error("SCRAM authentication with {endpoint} failed: {source}")]
    Scram {
        /// Endpoint of the server.
        endpoint: String,
        /// Error of the exchange.
        source: io::Error,
    },
    /// The server returned an error.
    #[error("{doing}: {error}")]
    Server {
        /// Operation in progress.
        doing: &'static str,
        /// Error of the server.
        #[source]
        error: Box<ServerError>,
    },
    /// A query failed in the client library, without an error of the server.
    #[error("{doing}: {source}")]
    Query {
        /// Operation in progress.
        doing: &'static str,
        /// Error of the client library.
        source: tokio_postgres::Error,
    },
    /// The result of a query is not one that the query can have.
    #[error("{doing}: unexpected result {answer:?}")]
    UnexpectedAnswer {
        /// Operation in progress.
        doing: &'static str,
        /// Result.
        answer: String,
    },
    /// The server sent a message that violates the protocol.
    #[error("{doing}: {source}")]
    Protocol {
        /// Operation in progress.
        doing: &'static str,
        /// Error of the decoder.
        source: DecodeError,
    },
    /// The server sent a message that the protocol does not allow here.
    #[error("{doing}: unexpected message '{}'; is this a Postgres server?", tag.escape_ascii())]
    UnexpectedMessage {
        /// Operation in progress.
        doing: &'static str,
        /// Tag of the message.
        tag: u8,
    },
    /// No host has the required session attributes.
    #[error("no server of {hosts} is {wanted} (target_session_attrs); the last result: {last}")]
    NoSuitableHost {
        /// Hosts that were tried.
        hosts: String,
        /// Required attribute.
        wanted: &'static str,
        /// Result of the last host.
        last: String,
    },
    /// The server is a standby.
    #[error("{endpoint} is a standby in recovery, and streaming from a standby is not supported")]
    InRecovery {
        /// Endpoint of the server.
        endpoint: String,
    },
    /// The replication connection and the SQL connection reach different servers.
    #[error(
        "the replication connection reached cluster {replication}, the SQL connection cluster {ordinary}: there is a pooler or load balancer in between"
    )]
    DifferentServers {
        /// Result of `IDENTIFY_SYSTEM`.
        replication: SystemIdentifier,
        /// System identifier on the SQL connection.
        ordinary: SystemIdentifier,
    },
    /// Rows cannot be read from a standby of this version.
    #[error(
        "{endpoint} has version {version}, but rows can be read from standbys of version 16 and later only"
    )]
    StandbyTooOld {
        /// Endpoint of the standby.
        endpoint: String,
        /// `server_version_num`.
        version: u32,
    },
    /// The server from which rows are to be read is no standby of the streamed server.
    #[error(
        "{endpoint} is cluster {} on timeline {}, but changes are streamed from cluster {} on timeline {}", found.0, found.1, wanted.0, wanted.1
    )]
    NotAStandbyOfPrimary {
        /// Endpoint of the server from which rows were to be read.
        endpoint: String,
        /// Its cluster and timeline.
        found: (SystemIdentifier, Timeline),
        /// Cluster and timeline of the streamed server.
        wanted: (SystemIdentifier, Timeline),
    },
    /// The session does not hold the leadership lock that it has taken.
    #[error("{endpoint} runs the statements of one session in several: there is a pooler in between")]
    PooledConnection {
        /// Endpoint of the server.
        endpoint: String,
    },
    /// The server's version is not supported.
    #[error("the server has version {found}, but PostgreSQL 12 or later is needed")]
    TooOld {
        /// `server_version_num`.
        found: u32,
    },
    /// A failover slot is required, and the server's version has none.
    #[error(
        "failover slots need PostgreSQL 17 or later, and this server has version {version}: after a failover its slot is missing, and so \
         are the changes that were not delivered by then"
    )]
    NoFailoverSlots {
        /// `server_version_num`.
        version: u32,
    },
    /// The role may not create a publication.
    #[error("{error}: the role may not create a publication for these tables")]
    MayNotPublish {
        /// Error of the server.
        #[source]
        error: Box<ServerError>,
        /// Some publications of the database.
        publications: Vec<String>,
    },
    /// The slot is in use by another connection.
    #[error("slot {slot} is in use by {} after {} s of waiting: {error}", in_use_by(holder.as_ref()), waited.as_secs())]
    SlotActive {
        /// Name of the slot.
        slot: String,
        /// Process that uses the slot, if it still does.
        holder: Option<SlotHolder>,
        /// How long the slot was awaited.
        waited: Duration,
        /// Error of the server.
        #[source]
        error: Box<ServerError>,
    },
    /// The stream ended unexpectedly.
    #[error("the replication stream of slot {slot} ended after {after}: {}", why.as_deref().unwrap_or("the server closed the connection"))]
    StreamEnded {
        /// Name of the slot.
        slot: String,
        /// Last received position.
        after: Lsn,
        /// Reason, if one is known.
        why: Option<String>,
    },
    /// The server ended the stream with an error.
    #[error(
        "the replication stream of slot {slot} ended after {after}: {error}{}",
        older_than_publication(slot, error)
    )]
    StreamFailed {
        /// Name of the slot.
        slot: String,
        /// Last received position.
        after: Lsn,
        /// Error of the server.
        #[source]
        error: Box<ServerError>,
    },
    /// The server cannot convert a text to UTF-8.
    #[error("{error}: the server cannot convert a text from {encoding} to UTF-8")]
    Untranslatable {
        /// Encoding of the database.
        encoding: String,
        /// Error of the server.
        #[source]
        error: Box<PostgresError>,
    },
    /// The connection that holds leadership has ended.
    #[error("leadership of {name:?} is lost with its connection: {why}")]
    LeadershipLost {
        /// Name of the connector.
        name: String,
        /// Reason for which the connection ended.
        why: String,
    },
    /// An operation was called before [`walcast_delivery::Source::acquire_leadership`].
    #[error("this connector does not lead yet")]
    NotLeading,
    /// An outbox that is polled was replaced by another table of the same name.
    #[error("{table} is another table than when the session began")]
    TableReplaced {
        /// The table.
        table: String,
    },
    /// The server did not release the slot in time.
    #[error("slot {slot} is still active {} s after the stream was ended", waited.as_secs())]
    StillActive {
        /// Name of the slot.
        slot: String,
        /// How long the slot was awaited.
        waited: Duration,
    },
    /// The first connection failed, which is more likely a wrong configuration than a transient failure.
    #[error("{0}")]
    FirstConnection(#[source] Box<PostgresError>),
}

impl PostgresError {
    /// Marks a failure to reach a server that was never reached before.
    pub(crate) fn at_first_connection(self) -> Self {
        match self {
            PostgresError::Resolve { .. }
            | PostgresError::Unreachable { .. }
            | PostgresError::ConnectTimeout { .. }
            | PostgresError::NoSuitableHost { .. }
            | PostgresError::InRecovery { .. } => PostgresError::FirstConnection(Box::new(self)),
            other => other,
        }
    }

    /// Marks a failure to reach a server, unless it was reached before.
    pub(crate) fn at_connection(self, was_connected: bool) -> Self {
        if was_connected {
            self
        } else {
            self.at_first_connection()
        }
    }

    /// Converts an error of the client library: an error of the server, or any other failure.
    pub(crate) fn of_query(doing: &'static str, source: tokio_postgres::Error) -> Self {
        match source.as_db_error() {
            Some(error) => PostgresError::Server {
                doing,
                error: Box::new(error.into()),
            },
            None => PostgresError::Query { doing, source },
        }
    }

    /// Error of the server, if this is one.
    #[must_use]
    pub fn server_error(&self) -> Option<&ServerError> {
        match self {
            PostgresError::Server { error, .. }
            | PostgresError::SlotActive { error, .. }
            | PostgresError::StreamFailed { error, .. } => Some(error),
            PostgresError::Untranslatable { error, .. } | PostgresError::FirstConnection(error) => {
                error.server_error()
            }
            _ => None,
        }
    }
}

fn in_use_by(holder: Option<&SlotHolder>) -> String {
    holder.map_or_else(|| "another connection".to_owned(), ToString::to_string)
}

/// `undefined_object`, here a publication.
const UNDEFINED_OBJECT: &str = "42704";

/// Whether the server cannot decode changes because they are older than the publication: up to version 17 it cannot decode what was
/// written while the publication did not exist.
fn is_older_than_publication(error: &ServerError) -> bool {
    error.code == UNDEFINED_OBJECT && error.message.contains("publication")
}

/// Remedy for changes that are older than the publication.
fn older_than_publication(slot: &str, error: &ServerError) -> String {
    if !is_older_than_publication(error) {
        return String::new();
    }
    format!(
        "; the slot retains changes that are older than the publication: skip them with: SELECT pg_replication_slot_advance('{slot}', \
         pg_current_wal_lsn()); then start again, which halts with the range that is skipped and the command that accepts it"
    )
}
