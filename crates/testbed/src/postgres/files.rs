//! The files in and beside a cluster's data folder.

use std::fmt::Write as _;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::PostgresOptions;
use crate::error::{Result, file_error};

pub(crate) const SETTINGS: &str = "testbed.conf";
pub(crate) const ACCESS_RULES: &str = "pg_hba.conf";

/// Settings that suit a short-lived server on a developer's machine; later lines win, so options override them.
const DEFAULTS: [(&str, &str); 10] = [
    ("listen_addresses", "127.0.0.1"),
    ("wal_level", "logical"),
    ("fsync", "off"),
    ("full_page_writes", "off"),
    ("max_connections", "200"),
    ("max_wal_senders", "30"),
    ("max_replication_slots", "30"),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
    ("lc_messages", "C"),
];

pub(crate) fn write_settings(data: &Path, options: &PostgresOptions, port: u16, state: &Path) -> Result<()> {
    let text = settings(options, port, state);
    let path = data.join(SETTINGS);
    std::fs::write(&path, text).map_err(file_error("write", path))?;

    let main = data.join("postgresql.conf");
    let own = std::fs::read_to_string(&main).map_err(file_error("read", &main))?;
    let include = format!("include '{SETTINGS}'\n");
    if !own.ends_with(&include) {
        std::fs::write(&main, own + &include).map_err(file_error("write", main))?;
    }
    Ok(())
}

fn settings(options: &PostgresOptions, port: u16, state: &Path) -> String {
    let mut text = String::new();
    let mut set = |name: &str, value: &str| {
        let value = value.replace('\'', "''");
        // Writing to a string cannot fail.
        writeln!(text, "{name} = '{value}'").expect("a string takes any text");
    };
    for (name, value) in DEFAULTS {
        set(name, value);
    }
    set("port", &port.to_string());
    set("unix_socket_directories", &state.join("socket").to_string_lossy());
    if options.tls.is_some() {
        let server = state.join("server");
        set("ssl", "on");
        set("ssl_cert_file", &server.join("server.crt").to_string_lossy());
        set("ssl_key_file", &server.join("server.key").to_string_lossy());
        set("ssl_ca_file", &server.join("ca.crt").to_string_lossy());
    }
    for (name, value) in &options.settings {
        set(name, value);
    }
    text
}

pub(crate) fn write_access_rules(data: &Path, options: &PostgresOptions) -> Result<()> {
    let path = data.join(ACCESS_RULES);
    std::fs::write(&path, access_rules(options)).map_err(file_error("write", path))
}

fn access_rules(options: &PostgresOptions) -> String {
    let method = options.auth.method();
    let tls = options.tls.as_ref();
    let over_tcp = if tls.is_some_and(|tls| tls.required) {
        "hostssl"
    } else {
        "host"
    };
    let certificate = match tls {
        Some(tls) if tls.client_certificate_required => " clientcert=verify-full",
        _ => "",
    };
    // A client certificate can only be demanded where there is TLS.
    let over_tcp = if certificate.is_empty() {
        over_tcp
    } else {
        "hostssl"
    };
    let local = format!("local all all {method}\nlocal replication all {method}\n");
    if !options.access_rules.is_empty() {
        return local + &options.access_rules.join("\n") + "\n";
    }
    format!(
        "{local}\
         {over_tcp} all all 127.0.0.1/32 {method}{certificate}\n\
         {over_tcp} replication all 127.0.0.1/32 {method}{certificate}\n"
    )
}

pub(crate) fn write_password(folder: &Path, password: &str) -> Result<()> {
    let path = folder.join("password");
    std::fs::write(&path, password).map_err(file_error("write", &path))?;
    std::fs::set_permissions(&path, Permissions::from_mode(0o600))
        .map_err(file_error("set the mode of", path))
}

pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::copy(from, to)
        .map(drop)
        .map_err(file_error("copy", from))
}

/// Lets the server's account pass through our folder without listing it.
pub(crate) fn open_for_passing(folder: &Path) -> Result<()> {
    std::fs::set_permissions(folder, Permissions::from_mode(0o711))
        .map_err(file_error("set the mode of", folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::TlsOptions;

    #[test]
    fn options_come_after_the_defaults() {
        let options = PostgresOptions::default().with_setting("wal_level", "replica");
        let text = settings(&options, 5, Path::new("/s"));
        let position = |line: &str| text.find(line).unwrap();
        assert!(position("wal_level = 'replica'") > position("wal_level = 'logical'"));
        assert!(text.contains("port = '5'"), "{text}");
    }

    #[test]
    fn required_tls_leaves_no_plain_rule_over_tcp() {
        let tls = TlsOptions {
            required: true,
            client_certificate_required: true,
            ..TlsOptions::default()
        };
        let text = access_rules(&PostgresOptions {
            tls: Some(tls),
            ..PostgresOptions::default()
        });
        assert!(!text.contains("host "), "{text}");
        assert!(text.contains("clientcert=verify-full"), "{text}");
        assert!(access_rules(&PostgresOptions::default()).contains("host all all 127.0.0.1/32 trust"));
        let own = PostgresOptions {
            access_rules: vec!["host shop walcast 127.0.0.1/32 scram-sha-256".to_owned()],
            ..PostgresOptions::default()
        };
        let over_tcp: Vec<String> = access_rules(&own)
            .lines()
            .filter(|line| !line.starts_with("local "))
            .map(str::to_owned)
            .collect();
        assert_eq!(over_tcp, own.access_rules);
    }
}
