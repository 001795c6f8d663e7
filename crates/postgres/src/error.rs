//! Everything that can go wrong between walcast and Postgres.

mod server;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use walcast_delivery::{Fault, SystemIdentifier, Timeline};
use walcast_pgoutput::{DecodeError, Lsn};

use crate::connect::{ConninfoError, TlsSetupError};

pub(crate) use server::OBJECT_IN_USE;
pub use server::ServerError;

/// A failure of the source. Its text never holds a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostgresError {
    /// The connection string, or what completes it, is wrong.
    #[error(transparent)]
    Conninfo(#[from] ConninfoError),
    /// A setting holds what it cannot.
    #[error("[postgres] {setting}: {value:?} {problem}")]
    Setting {
        /// The setting's name.
        setting: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it, and what is wanted.
        problem: &'static str,
    },
    /// A host name has no address.
    #[error("host {host:?} cannot be resolved: {source}; check the host name in [postgres] url")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// Nobody answers, or the network refuses.
    #[error("cannot connect to {endpoint}: {source}; check that the server runs and listens there")]
    Unreachable {
        /// Where to.
        endpoint: String,
        /// What the system said.
        source: io::Error,
    },
    /// The server did not answer in time.
    #[error("no answer from {endpoint} within {} s; check host and firewall, or raise connect_timeout", limit.as_secs())]
    ConnectTimeout {
        /// Where to.
        endpoint: String,
        /// `connect_timeout`.
        limit: Duration,
    },
    /// The role may not read a table whose rows are wanted.
    #[error(
        "{source}; existing rows of {table} are to be read: GRANT SELECT ON {table} TO the connector's role, or leave the table out of [snapshot] tables"
    )]
    MayNotRead {
        /// The table, quoted.
        table: String,
        /// The refusal.
        source: Box<PostgresError>,
    },
    /// Rows that are wanted cannot be read; found before anything was made.
    #[error("existing rows {why}; {fix}")]
    RowsUnreadable {
        /// Which.
        why: String,
        /// What to do.
        fix: String,
    },
    /// A connection that was there broke off.
    #[error("the connection to {endpoint} broke off while {doing}: {source}")]
    Broken {
        /// Where to.
        endpoint: String,
        /// What was going on.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Certificates or keys for TLS cannot be used.
    #[error(transparent)]
    TlsSetup(#[from] TlsSetupError),
    /// The server has TLS switched off, but the configuration demands it.
    #[error(
        "{endpoint} does not speak TLS, but sslmode={mode} demands it; switch ssl on at the server, or lower sslmode"
    )]
    TlsRefused {
        /// Where to.
        endpoint: String,
        /// `sslmode`.
        mode: &'static str,
    },
    /// The TLS handshake failed: an unknown authority, another host name, a client certificate that is refused.
    #[error("TLS with {endpoint} failed: {source}; check sslmode, sslrootcert, sslcert and the host name")]
    TlsHandshake {
        /// Where to.
        endpoint: String,
        /// What the TLS library said.
        source: io::Error,
    },
    /// The server wants a password and there is none.
    #[error(
        "{endpoint} wants a password for user {user:?}, and none is configured; set PGPASSWORD, [postgres] password_file, or ~/.pgpass"
    )]
    PasswordMissing {
        /// Where to.
        endpoint: String,
        /// The role.
        user: String,
    },
    /// The password file cannot be read.
    #[error("password file {} cannot be read: {source}", path.display())]
    PasswordFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The server wants a way of authentication that is not supported.
    #[error(
        "{endpoint} wants {method} authentication, which is not supported; allow scram-sha-256 or a client certificate in pg_hba.conf"
    )]
    UnsupportedAuthentication {
        /// Where to.
        endpoint: String,
        /// What it wants.
        method: String,
    },
    /// `channel_binding=require` cannot be had.
    #[error("channel binding is required, but {endpoint} {why}")]
    ChannelBinding {
        /// Where to.
        endpoint: String,
        /// Why not.
        why: &'static str,
    },
    /// The server's side of SCRAM does not add up: a wrong password, or not the real server.
    #[error("SCRAM authentication with {endpoint} failed: {source}")]
    Scram {
        /// Where to.
        endpoint: String,
        /// What is wrong.
        source: io::Error,
    },
    /// The server refused something.
    #[error("{doing}: {error}{}", fix(error).map(|fix| format!("; {fix}")).unwrap_or_default())]
    Server {
        /// What was asked of it.
        doing: &'static str,
        /// What it said.
        #[source]
        error: Box<ServerError>,
    },
    /// A catalog look-up failed for another reason than the server's refusal.
    #[error("{doing}: {source}")]
    Query {
        /// What was asked.
        doing: &'static str,
        /// What the client library said.
        source: tokio_postgres::Error,
    },
    /// The server answered with something that the question excludes.
    #[error("{doing}: the server answered {answer:?}, which is not understood")]
    UnexpectedAnswer {
        /// What was asked.
        doing: &'static str,
        /// The answer, shortened.
        answer: String,
    },
    /// The server sent a message that is not of the protocol, or not in this place.
    #[error("{doing}: {source}")]
    Protocol {
        /// What was going on.
        doing: &'static str,
        /// What is wrong with the message.
        source: DecodeError,
    },
    /// A message stands where the protocol excludes it.
    #[error("{doing}: message '{}' is out of place; is this a Postgres server?", tag.escape_ascii())]
    OutOfPlace {
        /// What was going on.
        doing: &'static str,
        /// The message's tag.
        tag: u8,
    },
    /// No host has the session attributes that are wanted.
    #[error("no server of {hosts} is {wanted} (target_session_attrs); the last said: {last}")]
    NoSuitableHost {
        /// The hosts tried.
        hosts: String,
        /// The attribute.
        wanted: &'static str,
        /// Why the last host would not do.
        last: String,
    },
    /// The server is a standby.
    #[error(
        "{endpoint} is a standby in recovery, and streaming from a standby is not supported; point [postgres] url at the primary, \
         or list all hosts with target_session_attrs=primary"
    )]
    InRecovery {
        /// Where.
        endpoint: String,
    },
    /// The replication connection reaches another server than the ordinary one.
    #[error(
        "the replication connection reached cluster {replication}, the ordinary one cluster {ordinary}: there is a pooler or balancer between; \
         point [postgres] url at the primary itself"
    )]
    AnotherServer {
        /// What `IDENTIFY_SYSTEM` said.
        replication: SystemIdentifier,
        /// What the ordinary connection said.
        ordinary: SystemIdentifier,
    },
    /// Rows cannot be read from a standby of this version.
    #[error(
        "{endpoint} is of version {version}: rows can be read from standbys of 16 and later; leave [snapshot] url out"
    )]
    StandbyTooOld {
        /// The standby.
        endpoint: String,
        /// `server_version_num`.
        version: u32,
    },
    /// What rows are to be read from does not replay the log that is streamed.
    #[error(
        "{endpoint} is cluster {} on timeline {}, but changes are streamed from cluster {} on timeline {}: \
         point [snapshot] url at a standby of the server of [postgres] url", found.0, found.1, wanted.0, wanted.1
    )]
    NoStandbyOfIt {
        /// The server that rows were to be read from.
        endpoint: String,
        /// What it is.
        found: (SystemIdentifier, Timeline),
        /// What the server is that changes are streamed from.
        wanted: (SystemIdentifier, Timeline),
    },
    /// The leadership lock is not where it was taken.
    #[error(
        "{endpoint} hands statements of one session to several: there is a pooler between; point [postgres] url at the server itself,          or at a pool in session mode"
    )]
    Pooled {
        /// Where.
        endpoint: String,
    },
    /// The server is older than logical decoding with pgoutput and its views need.
    #[error("the server has version {found}, but walcast needs PostgreSQL 12 or later")]
    TooOld {
        /// `server_version_num`.
        found: u32,
    },
    /// Failover slots are demanded of a server that knows none.
    #[error(
        "[postgres] failover = true needs PostgreSQL 17 or later, and this server has version {version}: after a failover its slot is gone, \
         and what was not delivered by then with it; upgrade the server, or set failover = \"auto\" and read docs/high-availability.md"
    )]
    NoFailoverSlots {
        /// `server_version_num`.
        version: u32,
    },
    /// The slot is held by another connection.
    #[error("slot {slot} is in use by another connection after {} s of waiting: {error}", waited.as_secs())]
    SlotActive {
        /// The slot.
        slot: String,
        /// For how long it was waited for.
        waited: Duration,
        /// What the server said.
        #[source]
        error: Box<ServerError>,
    },
    /// The stream ended without being asked to.
    #[error("the replication stream of slot {slot} ended after {after}: {}", why.as_deref().unwrap_or("the server closed the connection"))]
    StreamEnded {
        /// The slot.
        slot: String,
        /// The end of what was received.
        after: Lsn,
        /// What the server said, if it said anything.
        why: Option<String>,
    },
    /// The server ended the stream with an error.
    #[error(
        "the replication stream of slot {slot} ended after {after}: {error}{}",
        older_than_publication(slot, error)
    )]
    StreamFailed {
        /// The slot.
        slot: String,
        /// The end of what was received.
        after: Lsn,
        /// What the server said.
        #[source]
        error: Box<ServerError>,
    },
    /// The connection that holds leadership is gone.
    #[error("leadership of {name:?} is lost with its connection: {why}")]
    LeadershipLost {
        /// The connector.
        name: String,
        /// What happened to the connection.
        why: String,
    },
    /// Something was asked for before [`walcast_delivery::Source::lead`].
    #[error("this connector does not lead yet")]
    NotLeading,
    /// The server did not let go of the slot in time.
    #[error("slot {slot} is still active {} s after the stream was ended", waited.as_secs())]
    StillActive {
        /// The slot.
        slot: String,
        /// For how long it was waited for.
        waited: Duration,
    },
    /// The very first connection failed: more likely a wrong configuration than bad luck.
    #[error("{0}")]
    FirstConnection(#[source] Box<PostgresError>),
}

impl PostgresError {
    /// Marks a failure to reach a server that was never reached yet.
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

    /// Tells a server's refusal from other failures of the client library.
    pub(crate) fn of_query(doing: &'static str, source: tokio_postgres::Error) -> Self {
        match source.as_db_error() {
            Some(error) => PostgresError::Server {
                doing,
                error: Box::new(error.into()),
            },
            None => PostgresError::Query { doing, source },
        }
    }

    /// The server's refusal, if this is one.
    #[must_use]
    pub fn server_error(&self) -> Option<&ServerError> {
        match self {
            PostgresError::Server { error, .. }
            | PostgresError::SlotActive { error, .. }
            | PostgresError::StreamFailed { error, .. } => Some(error),
            PostgresError::FirstConnection(error) => error.server_error(),
            _ => None,
        }
    }
}

impl Fault for PostgresError {
    fn is_retryable(&self) -> bool {
        match self {
            PostgresError::Server { error, .. } | PostgresError::StreamFailed { error, .. } => {
                error.is_retryable()
            }
            // A host that failed over can be the wrong one for a while; a name can be moved while it is looked up.
            PostgresError::Resolve { .. }
            | PostgresError::Unreachable { .. }
            | PostgresError::ConnectTimeout { .. }
            | PostgresError::Broken { .. }
            | PostgresError::Query { .. }
            | PostgresError::NoSuitableHost { .. }
            | PostgresError::InRecovery { .. }
            | PostgresError::SlotActive { .. }
            | PostgresError::StreamEnded { .. }
            | PostgresError::LeadershipLost { .. }
            | PostgresError::NotLeading
            | PostgresError::StillActive { .. } => true,
            PostgresError::Conninfo(_)
            | PostgresError::MayNotRead { .. }
            | PostgresError::RowsUnreadable { .. }
            | PostgresError::Setting { .. }
            | PostgresError::TlsSetup(_)
            | PostgresError::TlsRefused { .. }
            | PostgresError::TlsHandshake { .. }
            | PostgresError::PasswordMissing { .. }
            | PostgresError::PasswordFile { .. }
            | PostgresError::UnsupportedAuthentication { .. }
            | PostgresError::ChannelBinding { .. }
            | PostgresError::Scram { .. }
            | PostgresError::UnexpectedAnswer { .. }
            | PostgresError::Protocol { .. }
            | PostgresError::OutOfPlace { .. }
            | PostgresError::AnotherServer { .. }
            | PostgresError::Pooled { .. }
            | PostgresError::TooOld { .. }
            | PostgresError::NoFailoverSlots { .. }
            | PostgresError::StandbyTooOld { .. }
            | PostgresError::NoStandbyOfIt { .. }
            | PostgresError::FirstConnection(_) => false,
        }
    }

    fn is_about_rows(&self) -> bool {
        match self {
            PostgresError::MayNotRead { .. } | PostgresError::RowsUnreadable { .. } => true,
            PostgresError::Server { error, .. } => error.is_about_what_was_asked(),
            _ => false,
        }
    }
}

/// What to do about a refusal to let us in, where the server does not say it itself.
pub(crate) fn fix(refusal: &ServerError) -> Option<&'static str> {
    match refusal.code.as_str() {
        "28P01" => Some("check user and password: PGPASSWORD, [postgres] password_file, or ~/.pgpass"),
        "28000" if refusal.message.contains("certificate") => Some(
            "give sslcert and sslkey in [postgres] url: a certificate of an authority that the server knows, for that user",
        ),
        "28000" => Some(
            "let the role in from this host in pg_hba.conf, or set sslmode=require or stricter where it wants TLS",
        ),
        "3D000" => Some("check the database's name in [postgres] url"),
        "42501" => {
            Some("grant the role of [postgres] url what is missing; to stream: ALTER ROLE … REPLICATION")
        }
        _ => None,
    }
}

/// `undefined_object`, here a publication.
const UNDEFINED_OBJECT: &str = "42704";

/// Up to version 17 the server cannot decode changes that were written while the publication did not exist.
fn older_than_publication(slot: &str, error: &ServerError) -> String {
    if error.code != UNDEFINED_OBJECT || !error.message.contains("publication") {
        return String::new();
    }
    format!(
        "; changes that wait in the slot are older than the publication: re-read the tables concerned, pass over what waits with: \
         SELECT pg_replication_slot_advance('{slot}', pg_current_wal_lsn()), then start again and accept the gap"
    )
}
