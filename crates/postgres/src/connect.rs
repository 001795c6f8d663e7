//! Connections: from a connection string to an authenticated connection.
//!
//! ```text
//! text ──url / keywords──▶ Parameters ──environment──▶ ConnectConfig ──▶ Dialer: address, socket, TLS ──▶ Transport
//!                                                                                                         │
//!                                              SQL connection: tokio-postgres ◀───────────────────────────┤
//!                                         replication connection: startup, authentication ◀───────────────┘
//! ```
//!
//! Both kinds of connection are established by the same [`dial`], with the same TLS settings, certificates and host. Every parameter
//! has the meaning that it has in libpq
//! (<https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS>).

mod authentication;
mod channel_binding;
mod client;
mod config;
mod conninfo;
mod conninfo_error;
mod dial;
mod environment;
mod hosts;
mod keywords;
mod login;
mod message_lengths;
mod ordinary;
mod passfile;
mod password;
mod reading_role;
mod require_auth;
mod server_encoding;
mod socket;
mod startup;
mod tls;
mod tls_files;
mod transport;
mod url;
mod verifier;
mod wire;
mod without_password;

pub use config::{ChannelBinding, ConnectConfig, SessionAttributes, SslMode};
pub use conninfo_error::ConninfoError;
pub use environment::Environment;
pub use hosts::Host;
pub use login::LoginFault;
pub use reading_role::ReadingRole;
pub use require_auth::AuthMethod;
pub use tls_files::TlsSetupError;

pub(crate) use client::Client;
pub(crate) use ordinary::{SessionSettings, SqlSession, connect_ordinary, connect_to, connect_with};
pub(crate) use server_encoding::{AS_STORED, ServerEncoding, UTF8};
pub(crate) use startup::{TIMEOUTS, VALUE_SETTINGS, connect_physical_replication, connect_replication};
pub(crate) use transport::Transport;
pub(crate) use wire::Wire;

#[cfg(test)]
mod tests;
