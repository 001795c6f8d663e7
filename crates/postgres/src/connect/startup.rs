//! Startup of a replication connection: database, settings and authentication.

use postgres_protocol::message::frontend;

use super::authentication::authenticate;
use super::config::ConnectConfig;
use super::dial::{Endpoint, dial};
use super::wire::Wire;
use crate::backend::BackendMessage;
use crate::error::PostgresError;

const DOING: &str = "opening a replication connection";

/// Settings of the text format of values. The mapper parses exactly these formats, so they must not depend on settings of the role or
/// the database. With `extra_float_digits` above 0 the server prints the shortest text that parses to the same number.
pub(crate) const VALUE_SETTINGS: [(&str, &str); 5] = [
    ("datestyle", "ISO"),
    ("intervalstyle", "postgres"),
    ("extra_float_digits", "3"),
    ("bytea_output", "hex"),
    ("timezone", "UTC"),
];

/// Settings that end sessions, transactions or statements, with the first version that has each. The connector switches them off,
/// whatever the role or the database has set.
pub(crate) const TIMEOUTS: [(u32, &str); 5] = [
    (0, "statement_timeout"),
    (0, "lock_timeout"),
    (0, "idle_in_transaction_session_timeout"),
    (140_000, "idle_session_timeout"),
    (170_000, "transaction_timeout"),
];

/// Opens a logical replication connection to this endpoint, in the database.
pub(crate) async fn connect_replication(
    config: &ConnectConfig,
    endpoint: &Endpoint,
    server_version: u32,
    application_name: &str,
    decoding_work_mem: Option<&str>,
    client_encoding: &str,
) -> Result<Wire, PostgresError> {
    let mut options = config.options.clone().unwrap_or_default();
    // The connector's settings come last, and the last setting counts.
    let timeouts = TIMEOUTS.iter().filter(|(since, _)| server_version >= *since);
    let timeouts = timeouts.map(|(_, name)| (*name, "0"));
    for (name, value) in VALUE_SETTINGS.into_iter().chain(timeouts) {
        options.push_str(&format!(" -c {name}={value}"));
    }
    if let Some(size) = decoding_work_mem {
        options.push_str(" -c logical_decoding_work_mem=");
        options.push_str(&escape_option(size));
    }
    let parameters = [
        ("user", config.user.as_str()),
        ("database", &config.database),
        ("replication", "database"),
        ("application_name", application_name),
        ("client_encoding", client_encoding),
        ("options", &options),
    ];
    open(config, endpoint, parameters).await
}

/// Opens a physical replication connection, by which standbys stream and the whole cluster can be copied. It is opened only to check
/// whether the server allows it.
pub(crate) async fn connect_physical_replication(
    config: &ConnectConfig,
    endpoint: &Endpoint,
    application_name: &str,
) -> Result<Wire, PostgresError> {
    let parameters = [
        ("user", config.user.as_str()),
        ("replication", "true"),
        ("application_name", application_name),
    ];
    open(config, endpoint, parameters).await
}

async fn open<const N: usize>(
    config: &ConnectConfig,
    endpoint: &Endpoint,
    parameters: [(&str, &str); N],
) -> Result<Wire, PostgresError> {
    dial(config, endpoint, async |transport| {
        let mut wire = Wire::new(transport, endpoint.clone());
        wire.send(DOING, |buffer| frontend::startup_message(parameters, buffer))
            .await?;
        authenticate(&mut wire, config).await?;
        await_ready(&mut wire).await?;
        Ok(wire)
    })
    .await
}

/// Escapes blanks, which separate options, and `\`.
fn escape_option(value: &str) -> String {
    value.replace('\\', "\\\\").replace(' ', "\\ ")
}

async fn await_ready(wire: &mut Wire) -> Result<(), PostgresError> {
    loop {
        match wire.receive(DOING).await? {
            BackendMessage::ReadyForQuery => return Ok(()),
            BackendMessage::BackendKey => {}
            BackendMessage::Error(error) => {
                return Err(PostgresError::Server {
                    doing: DOING,
                    error: Box::new(error),
                });
            }
            other => return Err(other.unexpected_message(DOING)),
        }
    }
}
