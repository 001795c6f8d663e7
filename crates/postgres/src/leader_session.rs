//! Session of the leader: the connection over which the leading instance queries its server.

use std::sync::Arc;

use walcast_delivery::SystemIdentifier;

use crate::config::PostgresConfig;
use crate::connect::{SqlSession, connect_replication};
use crate::encoding::{OwnConversion, Texts};
use crate::error::PostgresError;
use crate::replication::ReplicationConnection;

/// First version with `logical_decoding_work_mem`; an older server rejects a connection that sets it.
const DECODING_WORK_MEM_SINCE: u32 = 130_000;

/// SQL session on the server where this instance leads.
#[derive(Clone)]
pub(crate) struct LeaderSession {
    pub(crate) session: Arc<SqlSession>,
    pub(crate) system_identifier: SystemIdentifier,
    /// Whether texts are converted one by one, because the server could not convert one.
    pub(crate) own_conversion: OwnConversion,
}

/// Opens a replication connection to the leader's server.
pub(crate) async fn open_replication(
    config: &PostgresConfig,
    leader: &LeaderSession,
) -> Result<ReplicationConnection, PostgresError> {
    let session = &leader.session;
    let work_mem = config
        .logical_decoding_work_mem
        .as_deref()
        .filter(|_| session.server_version >= DECODING_WORK_MEM_SINCE);
    // The name of the publication would have to arrive in the encoding of the database.
    let texts = match config.publication.is_ascii() {
        true => Texts::of(session, &leader.own_conversion),
        false => Texts::converted_by_server(session),
    };
    let wire = connect_replication(
        &config.connect,
        &session.endpoint,
        session.server_version,
        &config.application_name(),
        work_mem,
        texts.client_encoding(),
    )
    .await?;
    let mut replication = ReplicationConnection::new(wire).with_texts(texts);
    let identity = replication.identify_system().await?;
    if identity.system_identifier != leader.system_identifier {
        return Err(PostgresError::DifferentServers {
            replication: identity.system_identifier,
            ordinary: leader.system_identifier,
        });
    }
    if replication.is_in_recovery().await? {
        return Err(PostgresError::InRecovery {
            endpoint: session.endpoint.to_string(),
        });
    }
    Ok(replication)
}
