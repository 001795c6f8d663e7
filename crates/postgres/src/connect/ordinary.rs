//! The ordinary connection: catalog look-ups and leadership, through tokio-postgres.

use std::sync::Arc;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_postgres::config::{ChannelBinding as PgChannelBinding, SslMode as PgSslMode, SslNegotiation};
use tokio_postgres::{Client, Config};

use super::config::{ChannelBinding, ConnectConfig, SessionAttributes};
use super::dial::{Endpoint, dial};
use super::tls::is_certificate_refused;
use super::transport::{AlreadyEncrypted, Transport};
use crate::error::{PostgresError, ServerError};

const DOING: &str = "connecting";

/// An open session. Dropping it closes it, and whatever it holds is released.
pub(crate) struct Session {
    pub(crate) client: Arc<Client>,
    pub(crate) endpoint: Endpoint,
    /// `server_version_num`.
    pub(crate) server_version: u32,
    end: watch::Receiver<Option<String>>,
    hang_up: Arc<Notify>,
    /// The task that moves the connection's bytes.
    _driver: JoinSet<()>,
}

impl Session {
    /// Ends when the connection has ended, and says why. Cancel-safe.
    pub(crate) async fn ended(&self) -> String {
        let mut end = self.end.clone();
        let why = match end.wait_for(Option::is_some).await {
            Ok(why) => why.clone(),
            // The task is gone without a word only when the runtime ends.
            Err(_) => None,
        };
        why.unwrap_or_else(|| "its task has ended".to_owned())
    }

    /// What closes the connection at once when it is notified, whoever still holds the session.
    pub(crate) fn hang_up(&self) -> Arc<Notify> {
        Arc::clone(&self.hang_up)
    }

    /// Whether the connection has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.client.is_closed()
    }
}

/// Connects to the first host that can be reached and has the wanted session attributes.
pub(crate) async fn connect_ordinary(
    config: &ConnectConfig,
    application_name: &str,
) -> Result<Session, PostgresError> {
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
            match connect_to(config, endpoint, application_name).await {
                Ok(session) => match refusal(&session, wanted).await? {
                    None => return Ok(session),
                    Some(_) if wanted == SessionAttributes::PreferStandby => {
                        fallback.get_or_insert(session);
                    }
                    Some(last) => last_error = Some(unsuitable(config, &session.endpoint, last)),
                },
                // libpq goes on to the next host only where the server could not be reached or is not up.
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

/// Why a session will not do, if it will not.
async fn refusal(
    session: &Session,
    wanted: SessionAttributes,
) -> Result<Option<&'static str>, PostgresError> {
    if wanted == SessionAttributes::Any {
        return Ok(None);
    }
    let sql = "SELECT pg_is_in_recovery(), current_setting('transaction_read_only')::bool";
    let row = session
        .client
        .query_typed_one(sql, &[])
        .await
        .map_err(|error| PostgresError::of_query("asking for the session's attributes", error))?;
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

/// Connects to exactly this server.
pub(crate) async fn connect_to(
    config: &ConnectConfig,
    endpoint: Endpoint,
    application_name: &str,
) -> Result<Session, PostgresError> {
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
    let (client, connection) = dial(config, &endpoint, async |transport| {
        let mut settings = settings.clone();
        match &transport {
            Transport::Plain(_) => settings.ssl_mode(PgSslMode::Disable),
            // "Direct" hands the stream to our connector at once; the handshake is behind us.
            Transport::Tls(_) => settings
                .ssl_mode(PgSslMode::Require)
                .ssl_negotiation(SslNegotiation::Direct),
        };
        settings
            .connect_raw(transport, AlreadyEncrypted)
            .await
            .map_err(|error| startup_error(config, &endpoint, password.is_some(), error))
    })
    .await?;

    let (tell, end) = watch::channel(None);
    let hang_up = Arc::new(Notify::new());
    let hung_up = Arc::clone(&hang_up);
    let mut driver = JoinSet::new();
    driver.spawn(async move {
        let ended = tokio::select! {
            ended = connection => ended,
            () = hung_up.notified() => Ok(()),
        };
        let why = match ended {
            Ok(()) => "it was closed".to_owned(),
            Err(error) => error_text(&error),
        };
        tell.send_replace(Some(why));
    });
    let client = Arc::new(client);
    let server_version = prepare(&client).await?;
    Ok(Session {
        client,
        endpoint,
        server_version,
        end,
        hang_up,
        _driver: driver,
    })
}

/// The library's own text leaves the cause out.
fn error_text(error: &tokio_postgres::Error) -> String {
    use std::error::Error as _;
    match (error.as_db_error(), error.source()) {
        (Some(said), _) => ServerError::from(said).to_string(),
        (None, Some(cause)) => format!("{error}: {cause}"),
        (None, None) => error.to_string(),
    }
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
    let text = error_text(&error);
    match error
        .into_source()
        .map(|source| source.downcast::<std::io::Error>())
    {
        // What the TLS library says is packed into it.
        Some(Ok(source)) if is_certificate_refused(&source) => endpoint.broken(DOING, *source),
        _ => endpoint.broken(DOING, std::io::Error::other(text)),
    }
}

/// A leader that vanished must be noticed by the server too, or no standby could take over: half a minute of silence,
/// then three questions. Time limits that a role may have set must not end a session that is meant to idle. A statement
/// of ours that takes this long is stuck.
const SESSION_SETTINGS: &str = "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3; \
     SET idle_in_transaction_session_timeout = 0; SET statement_timeout = '60s'; SET search_path = pg_catalog";

/// `idle_session_timeout` exists from here on.
const IDLE_SESSION_TIMEOUT_SINCE: u32 = 140_000;
/// The oldest server whose views and protocol we know.
const OLDEST: u32 = 120_000;

async fn prepare(client: &Client) -> Result<u32, PostgresError> {
    let failed = |error| PostgresError::of_query("preparing the session", error);
    let sql = "SELECT current_setting('server_version_num')";
    let row = client.query_typed_one(sql, &[]).await.map_err(failed)?;
    let number: String = row.get(0);
    let version = number.parse().map_err(|_| PostgresError::UnexpectedAnswer {
        doing: "asking for the server's version",
        answer: number,
    })?;
    if version < OLDEST {
        return Err(PostgresError::TooOld { found: version });
    }
    client.batch_execute(SESSION_SETTINGS).await.map_err(failed)?;
    if version >= IDLE_SESSION_TIMEOUT_SINCE {
        client
            .batch_execute("SET idle_session_timeout = 0")
            .await
            .map_err(failed)?;
    }
    Ok(version)
}
