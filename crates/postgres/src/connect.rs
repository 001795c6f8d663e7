//! From a connection string to an authenticated connection.
//!
//! ```text
//! text ──url / keywords──▶ Parameters ──environment──▶ ConnectConfig ──▶ Dialer: address, socket, TLS ──▶ Transport
//!                                                                                                         │
//!                                         ordinary connection: tokio-postgres ◀───────────────────────────┤
//!                                         replication connection: startup, authentication ◀───────────────┘
//! ```
//!
//! Both kinds of connection go through the same [`dial`], so that they use the same TLS, the same certificates and the
//! same host. The meaning of every parameter is libpq's
//! (<https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS>).

mod authentication;
mod channel_binding;
mod config;
mod conninfo;
mod dial;
mod environment;
mod hosts;
mod keywords;
mod ordinary;
mod passfile;
mod password;
mod socket;
mod startup;
mod tls;
mod tls_files;
mod transport;
mod url;
mod verifier;
mod wire;

pub use config::{ChannelBinding, ConnectConfig, Host, SessionAttributes, SslMode};
pub use conninfo::ConninfoError;
pub use environment::Environment;
pub use password::Secret;
pub use tls_files::TlsSetupError;

pub(crate) use ordinary::{Session, connect_ordinary, connect_to};
pub(crate) use startup::{VALUE_SETTINGS, connect_replication};
pub(crate) use transport::Transport;
pub(crate) use wire::Wire;
