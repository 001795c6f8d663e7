//! What can be chosen about a Postgres server.

use crate::tls::TlsOptions;

/// How clients prove who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// They need not.
    #[default]
    Trust,
    /// By the old md5 exchange.
    Md5,
    /// By SCRAM-SHA-256.
    Scram,
}

impl Auth {
    pub(crate) fn method(self) -> &'static str {
        match self {
            Auth::Trust => "trust",
            Auth::Md5 => "md5",
            Auth::Scram => "scram-sha-256",
        }
    }
}

/// Postgres's own ways to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopMode {
    /// After all clients have left.
    Smart,
    /// Clients are cut off; the server shuts down cleanly.
    Fast,
    /// At once, with crash recovery at the next start.
    Immediate,
}

/// A password that does not show in debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Password {
    fn from(text: &str) -> Password {
        Password(text.to_owned())
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("[redacted]")
    }
}

/// What server to start. The default: the newest well-known major version, logical WAL, no TLS, no password asked.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// Major version, 12 to 18.
    pub major: u16,
    /// Settings that override the testbed's defaults, for example `("wal_level", "replica")`.
    pub settings: Vec<(String, String)>,
    /// TLS with an authority of the server's own.
    pub tls: Option<TlsOptions>,
    /// How clients prove who they are.
    pub auth: Auth,
    /// Lines of `pg_hba.conf` for connections over TCP, instead of those that `auth` and `tls` would give.
    pub access_rules: Vec<String>,
    /// Name of the superuser.
    pub superuser: String,
    /// The superuser's password; asked for unless `auth` is trust.
    pub password: Password,
    /// Default database, created at the start.
    pub database: String,
}

impl Default for PostgresOptions {
    fn default() -> PostgresOptions {
        PostgresOptions {
            major: 17,
            settings: Vec::new(),
            tls: None,
            auth: Auth::Trust,
            access_rules: Vec::new(),
            superuser: "postgres".to_owned(),
            password: Password::from("postgres"),
            database: "shop".to_owned(),
        }
    }
}

impl PostgresOptions {
    /// The default with another major version.
    pub fn major(major: u16) -> PostgresOptions {
        PostgresOptions {
            major,
            ..PostgresOptions::default()
        }
    }

    /// With one more server setting.
    #[must_use]
    pub fn with_setting(mut self, name: &str, value: &str) -> PostgresOptions {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_does_not_show() {
        let options = PostgresOptions {
            password: Password::from("hunter2"),
            ..PostgresOptions::default()
        };
        assert!(!format!("{options:?}").contains("hunter2"));
    }
}
