//! SQL connection: catalog queries and leadership, through tokio-postgres.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_postgres::Config;
use tokio_postgres::config::{ChannelBinding as PgChannelBinding, SslMode as PgSslMode, SslNegotiation};
use tokio_postgres::{AsyncMessage, Connection};
use tracing::debug;
use walcast_delivery::sql::literal;

use super::client::{Client, SessionEnd};
use super::config::{ChannelBinding, ConnectConfig, SessionAttributes};
use super::dial::{Endpoint, dial};
use super::login::LoginFault;
use super::server_encoding::ServerEncoding;
use super::startup::{TIMEOUTS, VALUE_SETTINGS};
use super::tls::is_certificate_rejected;
use super::transport::{AlreadyEncrypted, Transport};
use crate::error::{PostgresError, ServerError};

const DOING: &str = "connecting";

/// Open SQL session. Dropping it closes the connection, which releases everything that the session holds.
pub(crate) struct SqlSession {
    pub(crate) client: Arc<Client>,
    pub(crate) endpoint: Endpoint,
    /// `server_version_num`.
    pub(crate) server_version: u32,
    end: watch::Receiver<Option<SessionEnd>>,
    hang_up: Arc<Notify>,
    /// Number of notifications that the session has received.
    notifications: watch::Receiver<u64>,
    /// Task that drives the connection.
    _driver: JoinSet<()>,
}

/// Settings of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionSettings {
    /// Those of the connector, which does not depend on those of the role.
    OfConnector,
    /// Those of the role, and none that outlasts a transaction: a pooler may run the transactions in sessions that it gives to other
    /// clients afterwards.
    OfRole,
}

impl SqlSession {
    /// Number of notifications that the session has received, which changes with each.
    pub(crate) fn notifications(&self) -> watch::Receiver<u64> {
        self.notifications.clone()
    }

    /// Waits until the connection has ended, and returns the reason. Cancel-safe.
    pub(crate) async fn ended(&self) -> String {
        let mut end = self.end.clone();
        let why = match end.wait_for(Option::is_some).await {
            Ok(end) => end.as_ref().map(|end| end.why.clone()),
            // The task ends without a reason only when the runtime ends.
            Err(_) => None,
        };
        why.unwrap_or_else(|| "its task has ended".to_owned())
    }

    /// Restores the settings of the session, which a function in an index of a table can change when the table is read.
    pub(crate) async fn restore_settings(&self) -> Result<(), PostgresError> {
        apply_settings(&self.client, self.server_version).await
    }

    /// Notification that closes the connection at once, even while the session is still held.
    pub(crate) fn hang_up(&self) -> Arc<Notify> {
        Arc::clone(&self.hang_up)
    }

    /// Requests the cancellation of the running statement, whose effect shows in the statement's end. Waits until the server has closed
    /// the connection of the request, after it has signalled the session: a later signal would hit a later statement.
    pub(crate) async fn cancel(&self, config: &ConnectConfig) {
        const DOING: &str = "cancelling a statement";
        let token = self.client.cancel_token();
        let request = dial(config, &self.endpoint, async |mut transport| {
            let cancelled = token.cancel_query_raw(&mut transport, AlreadyEncrypted).await;
            cancelled.map_err(|error| self.endpoint.broken(DOING, std::io::Error::other(error)))?;
            let closed = transport.read(&mut [0]).await;
            closed.map_err(|error| self.endpoint.broken(DOING, error))
        });
        if let Err(error) = request.await {
            debug!(%error, "a statement cannot be cancelled; the server ends it when it notices the closed connection");
        }
    }

    /// Whether the connection has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.client.is_closed()
    }

    /// Extends the time limit by the time that a statement may wait for a lock.
    pub(crate) fn waiting_for_locks(mut self, lock_timeout: Duration) -> Self {
        if let Some(client) = Arc::get_mut(&mut self.client) {
            client.wait_for_locks(lock_timeout);
        }
        self
    }
}

/// Connects to the first host that can be reached and has the required session attributes.
pub(crate) async fn connect_ordinary(
    config: &ConnectConfig,
    application_name: &str,
) -> Result<SqlSession, PostgresError> {
    connect_with(config, application_name, SessionSettings::OfConnector).await
}

/// Connects to the first host that can be reached and has the required session attributes.
pub(crate) async fn connect_with(
    config: &ConnectConfig,
    application_name: &str,
    session_settings: SessionSettings,
) -> Result<SqlSession, PostgresError> {
    let wanted = config.session_attributes;
    let mut fallback = None;
    let mut last_error = None;
    for host in &config.hosts {
        let endpoints = match Endpoint::resolve(host).await {
            Ok(endpoints) => endpoints,
            Err(error) => {
                last_error = Some(error);
                continue;
            }
        };
        for endpoint in endpoints {
            match connect_to_with(config, endpoint, application_name, session_settings).await {
                Ok(session) => match missing_attribute(&session, wanted).await? {
                    None => return Ok(session),
                    Some(_) if wanted == SessionAttributes::PreferStandby => {
                        fallback.get_or_insert(session);
                    }
                    Some(last) => last_error = Some(unsuitable(config, &session.endpoint, last)),
                },
                // libpq tries the next host only when a server cannot be reached or is not up.
                Err(error) if is_about_this_host(&error) => last_error = Some(error),
                Err(error) => return Err(error),
            }
        }
    }
    match (fallback, last_error) {
        (Some(session), _) => Ok(session),
        (None, Some(error)) => Err(error),
        (None, None) => Err(PostgresError::NotLeading),
    }
}

fn unsuitable(config: &ConnectConfig, endpoint: &Endpoint, why: &str) -> PostgresError {
    let hosts: Vec<String> = config.hosts.iter().map(ToString::to_string).collect();
    PostgresError::NoSuitableHost {
        hosts: hosts.join(", "),
        wanted: config.session_attributes.as_str(),
        last: format!("{endpoint} {why}"),
    }
}

fn is_about_this_host(error: &PostgresError) -> bool {
    match error {
        PostgresError::Unreachable { .. }
        | PostgresError::ConnectTimeout { .. }
        | PostgresError::Broken { .. } => true,
        other => other.server_error().is_some_and(ServerError::is_retryable),
    }
}

/// Reason for which a session does not have the required attributes, if it does not.
async fn missing_attribute(
    session: &SqlSession,
    wanted: SessionAttributes,
) -> Result<Option<&'static str>, PostgresError> {
    if wanted == SessionAttributes::Any {
        return Ok(None);
    }
    // As the session was before its settings: they allow writes where the role or the database does not.
    let sql = "SELECT pg_is_in_recovery(), pg_is_in_recovery() OR (SELECT reset_val::bool FROM pg_settings \
               WHERE name = 'default_transaction_read_only')";
    let client = &session.client;
    let answer = client.query_typed_one(sql, &[]);
    let row = client
        .answered("reading the session's attributes", answer)
        .await?;
    let (in_recovery, read_only): (bool, bool) = (row.get(0), row.get(1));
    Ok(match wanted {
        SessionAttributes::Any => None,
        SessionAttributes::ReadWrite if read_only => Some("is read-only"),
        SessionAttributes::ReadOnly if !read_only => Some("is not read-only"),
        SessionAttributes::Primary if in_recovery => Some("is in recovery"),
        SessionAttributes::Standby | SessionAttributes::PreferStandby if !in_recovery => {
            Some("is not in recovery")
        }
        SessionAttributes::ReadWrite
        | SessionAttributes::ReadOnly
        | SessionAttributes::Primary
        | SessionAttributes::Standby
        | SessionAttributes::PreferStandby => None,
    })
}

/// Connects to this endpoint.
pub(crate) async fn connect_to(
    config: &ConnectConfig,
    endpoint: Endpoint,
    application_name: &str,
) -> Result<SqlSession, PostgresError> {
    connect_to_with(config, endpoint, application_name, SessionSettings::OfConnector).await
}

async fn connect_to_with(
    config: &ConnectConfig,
    endpoint: Endpoint,
    application_name: &str,
    session_settings: SessionSettings,
) -> Result<SqlSession, PostgresError> {
    let password = config.password_for(&endpoint.host)?;
    let mut settings = Config::new();
    settings
        .user(&config.user)
        .dbname(&config.database)
        .application_name(application_name)
        .channel_binding(match config.channel_binding {
            ChannelBinding::Disable => PgChannelBinding::Disable,
            ChannelBinding::Prefer => PgChannelBinding::Prefer,
            ChannelBinding::Require => PgChannelBinding::Require,
        });
    if let Some(options) = &config.options {
        settings.options(options);
    }
    if let Some(password) = &password {
        settings.password(password.reveal());
    }
    // The first queries count towards `connect_timeout` too: a server that is silent after authentication is not usable either.
    dial(config, &endpoint, async |transport| {
        let mut settings = settings.clone();
        if transport.is_encrypted() {
            // "Direct" passes the stream to the connector at once, whose handshake is done already.
            settings
                .ssl_mode(PgSslMode::Require)
                .ssl_negotiation(SslNegotiation::Direct);
        } else {
            settings.ssl_mode(PgSslMode::Disable);
        }
        let (client, connection) = settings
            .connect_raw(transport.limiting_messages(), AlreadyEncrypted)
            .await
            .map_err(|error| startup_error(config, &endpoint, password.is_some(), error))?;
        SqlSession::open(client, connection, endpoint.clone(), session_settings).await
    })
    .await
}

impl SqlSession {
    /// Spawns the task that drives the connection, and prepares the session.
    async fn open(
        client: tokio_postgres::Client,
        connection: Connection<Transport, Transport>,
        endpoint: Endpoint,
        session_settings: SessionSettings,
    ) -> Result<SqlSession, PostgresError> {
        // Every server reports it at the start of a session.
        let encoding = ServerEncoding::of(connection.parameter("server_encoding").unwrap_or("UTF8"));
        let (ending, end) = watch::channel(None);
        let hang_up = Arc::new(Notify::new());
        let hung_up = Arc::clone(&hang_up);
        let (notified, notifications) = watch::channel(0);
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            let ended = tokio::select! {
                ended = driven(connection, &notified) => ended,
                () = hung_up.notified() => Ok(()),
            };
            let end = match ended {
                Ok(()) => SessionEnd {
                    why: "it was closed".to_owned(),
                    fault: None,
                },
                Err(error) => SessionEnd {
                    why: error_text(&error),
                    fault: violated_rule(&error),
                },
            };
            ending.send_replace(Some(end));
        });
        let client = Client::new(
            client,
            endpoint.clone(),
            Arc::clone(&hang_up),
            end.clone(),
            encoding,
        );
        let server_version = server_version(&client).await?;
        if session_settings == SessionSettings::OfConnector {
            apply_settings(&client, server_version).await?;
        }
        Ok(SqlSession {
            client: Arc::new(client),
            endpoint,
            server_version,
            end,
            hang_up,
            notifications,
            _driver: driver,
        })
    }
}

/// Drives a connection to its end. Any role that can define a function can raise notices, which the library logs at level info; here
/// they are logged at level debug.
async fn driven<S, T>(
    mut connection: Connection<S, T>,
    notified: &watch::Sender<u64>,
) -> Result<(), tokio_postgres::Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
        match message? {
            AsyncMessage::Notice(notice) => {
                debug!(notice = %ServerError::from(&notice), "notice of the server");
            }
            AsyncMessage::Notification(_) => notified.send_modify(|count| *count = count.wrapping_add(1)),
            _ => {}
        }
    }
    Ok(())
}

/// Text of an error with its cause, which the library's own text omits.
fn error_text(error: &tokio_postgres::Error) -> String {
    use std::error::Error as _;
    match (error.as_db_error(), error.source()) {
        (Some(error), _) => ServerError::from(error).to_string(),
        (None, Some(cause)) => format!("{error}: {cause}"),
        (None, None) => error.to_string(),
    }
}

/// Rule that the server violated after the login.
fn violated_rule(error: &tokio_postgres::Error) -> Option<LoginFault> {
    use std::error::Error as _;
    let source = error.source()?.downcast_ref::<std::io::Error>()?;
    LoginFault::of(source).cloned()
}

fn startup_error(
    config: &ConnectConfig,
    endpoint: &Endpoint,
    has_password: bool,
    error: tokio_postgres::Error,
) -> PostgresError {
    use std::error::Error as _;
    if error.as_db_error().is_some() {
        return PostgresError::of_query(DOING, error);
    }
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    if !has_password && cause.contains("password missing") {
        return PostgresError::PasswordMissing {
            endpoint: endpoint.to_string(),
            user: config.user.clone(),
        };
    }
    if config.channel_binding == ChannelBinding::Require && cause.contains("channel binding") {
        return PostgresError::ChannelBinding {
            endpoint: endpoint.to_string(),
            why: "offers no SCRAM with channel binding, or its certificate allows none",
        };
    }
    if is_authentication_failure(&error) {
        return authentication_error(endpoint, cause);
    }
    let text = error_text(&error);
    match error
        .into_source()
        .map(|source| source.downcast::<std::io::Error>())
    {
        // The I/O error wraps that of the TLS library, or the rule that a message violated.
        Some(Ok(source)) if is_certificate_rejected(&source) || LoginFault::of(&source).is_some() => {
            endpoint.broken(DOING, *source)
        }
        _ => endpoint.broken(DOING, std::io::Error::other(text)),
    }
}

/// Whether the library cannot authenticate itself or the server. Its error has no other sign than its text.
fn is_authentication_failure(error: &tokio_postgres::Error) -> bool {
    error.to_string() == "authentication error"
}

fn authentication_error(endpoint: &Endpoint, cause: String) -> PostgresError {
    let method = match cause.as_str() {
        "unsupported authentication method" => "GSSAPI, SSPI or another",
        "unsupported SASL mechanism" => "SASL with another mechanism than SCRAM-SHA-256 for",
        _ => {
            return PostgresError::Scram {
                endpoint: endpoint.to_string(),
                source: std::io::Error::other(cause),
            };
        }
    };
    PostgresError::UnsupportedAuthentication {
        endpoint: endpoint.to_string(),
        method: method.to_owned(),
    }
}

/// Settings of a session, whatever the role or the database has set. The server must detect a vanished leader, or no standby could
/// take over: after half a minute of silence it sends three keepalives. Time limits of the role must not end an idle session. A
/// statement that takes 60 s is stuck. A table whose lock is not available within 2 s must not keep other tables waiting. Row security policies would run functions of the table's owner
/// with the role's privileges, and hide rows: a query that they concern is an error. Strings have no escapes. Publications and slots
/// can be created although transactions of the role are read-only by default.
const SESSION_SETTINGS: &str = "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3; \
     SET statement_timeout = '60s'; SET lock_timeout = '2s'; SET search_path = pg_catalog; SET row_security = off; SET standard_conforming_strings = on; \
     SET default_transaction_read_only = off; SET default_transaction_isolation = 'read committed'";

/// Oldest supported version.
const OLDEST: u32 = 120_000;

/// Description of the operation, for errors.
const SETTING: &str = "preparing the session";

async fn server_version(client: &Client) -> Result<u32, PostgresError> {
    let sql = "SELECT current_setting('server_version_num')";
    let row = client.answered(SETTING, client.query_typed_one(sql, &[])).await?;
    let number: String = row.get(0);
    let version = number.parse().map_err(|_| PostgresError::UnexpectedAnswer {
        doing: "reading the server's version",
        answer: number,
    })?;
    if version < OLDEST {
        return Err(PostgresError::TooOld { found: version });
    }
    Ok(version)
}

async fn apply_settings(client: &Client, version: u32) -> Result<(), PostgresError> {
    let mut settings = String::new();
    for (_, name) in TIMEOUTS.iter().filter(|(since, _)| version >= *since) {
        settings.push_str(&format!("SET {name} = 0; "));
    }
    // Values that are read over the session have the text format of the stream.
    for (name, value) in VALUE_SETTINGS {
        settings.push_str(&format!("SET {name} = {}; ", literal(value)));
    }
    settings.push_str(&format!(
        "SET client_encoding = {}; ",
        literal(client.encoding().of_sql_sessions())
    ));
    settings.push_str(SESSION_SETTINGS);
    client.answered(SETTING, client.batch_execute(&settings)).await
}
