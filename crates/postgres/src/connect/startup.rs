//! The beginning of a replication connection: which database, which settings, who we are.

use postgres_protocol::message::frontend;

use super::authentication::authenticate;
use super::config::ConnectConfig;
use super::dial::{Endpoint, dial};
use super::wire::Wire;
use crate::backend::BackendMessage;
use crate::error::PostgresError;

const DOING: &str = "opening a replication connection";

/// Settings under which the server prints values. The mapper reads exactly these forms, so they must not depend on
/// what the role or the database has set. `extra_float_digits` above 0 prints the shortest text that reads back as the
/// same number.
pub(crate) const VALUE_SETTINGS: [(&str, &str); 5] = [
    ("datestyle", "ISO"),
    ("intervalstyle", "postgres"),
    ("extra_float_digits", "3"),
    ("bytea_output", "hex"),
    ("timezone", "UTC"),
];

/// Opens a replication connection to exactly this server.
pub(crate) async fn connect_replication(
    config: &ConnectConfig,
    endpoint: &Endpoint,
    application_name: &str,
    decoding_work_mem: Option<&str>,
) -> Result<Wire, PostgresError> {
    let mut options = config.options.clone().unwrap_or_default();
    // Ours come last, and the last one counts.
    for (name, value) in VALUE_SETTINGS {
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
        ("client_encoding", "UTF8"),
        ("options", &options),
    ];
    dial(config, endpoint, async |transport| {
        let mut wire = Wire::new(transport, endpoint.clone());
        wire.send(DOING, |buffer| frontend::startup_message(parameters, buffer))
            .await?;
        authenticate(&mut wire, config).await?;
        wait_until_ready(&mut wire).await?;
        Ok(wire)
    })
    .await
}

/// A blank separates options; `\` keeps it from doing so.
fn escape_option(value: &str) -> String {
    value.replace('\\', "\\\\").replace(' ', "\\ ")
}

async fn wait_until_ready(wire: &mut Wire) -> Result<(), PostgresError> {
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
            other => return Err(other.out_of_place(DOING)),
        }
    }
}
