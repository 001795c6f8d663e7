//! Authentication on the replication connection.

use postgres_protocol::authentication::{md5_hash, sasl};
use postgres_protocol::message::frontend;
use walcast_mapper::Secret;

use super::config::{ChannelBinding, ConnectConfig};
use super::wire::Wire;
use crate::backend::{AuthenticationRequest, BackendMessage};
use crate::error::PostgresError;

const DOING: &str = "authenticating";

/// Answers the server's authentication requests until authentication has succeeded. Requests that `require_auth` excludes, and a
/// request of an unverified server for the cleartext password, do not get here (`login.rs`).
pub(super) async fn authenticate(wire: &mut Wire, config: &ConnectConfig) -> Result<(), PostgresError> {
    let must_bind = config.channel_binding == ChannelBinding::Require;
    if must_bind && !wire.transport.is_encrypted() {
        return Err(cannot_bind(wire, "is not connected over TLS"));
    }
    match request(wire).await? {
        AuthenticationRequest::Ok if must_bind => {
            return Err(cannot_bind(wire, "asked for no SCRAM authentication"));
        }
        AuthenticationRequest::Ok => return Ok(()),
        AuthenticationRequest::Sasl { mechanisms } => scram(wire, config, &mechanisms).await?,
        AuthenticationRequest::CleartextPassword | AuthenticationRequest::Md5Password { .. } if must_bind => {
            return Err(cannot_bind(wire, "asked for a password without SCRAM"));
        }
        AuthenticationRequest::CleartextPassword => {
            let password = password(wire, config)?;
            send_password(wire, password.reveal().as_bytes()).await?;
        }
        AuthenticationRequest::Md5Password { salt } => {
            let password = password(wire, config)?;
            let hash = md5_hash(config.user.as_bytes(), password.reveal().as_bytes(), salt);
            send_password(wire, hash.as_bytes()).await?;
        }
        AuthenticationRequest::Unsupported { method } => {
            return Err(PostgresError::UnsupportedAuthentication {
                endpoint: wire.endpoint.to_string(),
                method: method.to_owned(),
            });
        }
        AuthenticationRequest::SaslContinue(_) | AuthenticationRequest::SaslFinal(_) => {
            return Err(unexpected_request());
        }
    }
    match request(wire).await? {
        AuthenticationRequest::Ok => Ok(()),
        _ => Err(unexpected_request()),
    }
}

/// SCRAM-SHA-256, bound to the TLS session where both sides can (RFC 5802, RFC 7677).
async fn scram(wire: &mut Wire, config: &ConnectConfig, mechanisms: &[String]) -> Result<(), PostgresError> {
    let offers = |wanted: &str| mechanisms.iter().any(|mechanism| mechanism == wanted);
    let end_point = match config.channel_binding {
        ChannelBinding::Disable => None,
        ChannelBinding::Prefer | ChannelBinding::Require => wire.transport.end_point(),
    };
    let (mechanism, binding) = match end_point {
        Some(end_point) if offers(sasl::SCRAM_SHA_256_PLUS) => (
            sasl::SCRAM_SHA_256_PLUS,
            sasl::ChannelBinding::tls_server_end_point(end_point),
        ),
        _ if config.channel_binding == ChannelBinding::Require => {
            return Err(cannot_bind(
                wire,
                "offers no SCRAM with channel binding, or its certificate allows none",
            ));
        }
        // Reporting that the client supports channel binding lets the server notice that an attacker removed its offer.
        Some(_) => (sasl::SCRAM_SHA_256, sasl::ChannelBinding::unrequested()),
        None => (sasl::SCRAM_SHA_256, sasl::ChannelBinding::unsupported()),
    };
    if !offers(mechanism) {
        return Err(PostgresError::UnsupportedAuthentication {
            endpoint: wire.endpoint.to_string(),
            method: mechanisms.join(", "),
        });
    }

    let password = password(wire, config)?;
    let mut scram = sasl::ScramSha256::new(password.reveal().as_bytes(), binding);
    let first = scram.message().to_vec();
    wire.send(DOING, |buffer| {
        frontend::sasl_initial_response(mechanism, &first, buffer)
    })
    .await?;
    let AuthenticationRequest::SaslContinue(challenge) = request(wire).await? else {
        return Err(unexpected_request());
    };
    let endpoint = wire.endpoint.to_string();
    let failed = |source| PostgresError::Scram {
        endpoint: endpoint.clone(),
        source,
    };
    scram.update(&challenge).map_err(failed)?;
    let proof = scram.message().to_vec();
    wire.send(DOING, |buffer| frontend::sasl_response(&proof, buffer))
        .await?;
    let AuthenticationRequest::SaslFinal(outcome) = request(wire).await? else {
        return Err(unexpected_request());
    };
    // The server proves that it knows the password as well.
    scram.finish(&outcome).map_err(failed)
}

async fn request(wire: &mut Wire) -> Result<AuthenticationRequest, PostgresError> {
    match wire.receive(DOING).await? {
        BackendMessage::Authentication(request) => Ok(request),
        BackendMessage::Error(error) => Err(PostgresError::Server {
            doing: DOING,
            error: Box::new(error),
        }),
        other => Err(other.unexpected_message(DOING)),
    }
}

async fn send_password(wire: &mut Wire, password: &[u8]) -> Result<(), PostgresError> {
    wire.send(DOING, |buffer| frontend::password_message(password, buffer))
        .await
}

fn password(wire: &Wire, config: &ConnectConfig) -> Result<Secret, PostgresError> {
    config
        .password_for(&wire.endpoint.host)?
        .ok_or_else(|| PostgresError::PasswordMissing {
            endpoint: wire.endpoint.to_string(),
            user: config.user.clone(),
        })
}

fn cannot_bind(wire: &Wire, why: &'static str) -> PostgresError {
    PostgresError::ChannelBinding {
        endpoint: wire.endpoint.to_string(),
        why,
    }
}

/// Error for a request for authentication that the protocol does not allow here.
fn unexpected_request() -> PostgresError {
    PostgresError::UnexpectedMessage {
        doing: DOING,
        tag: b'R',
    }
}
