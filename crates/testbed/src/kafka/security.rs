//! Listeners on which the broker proves who it is, and clients may have to as well.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::error::{Result, file_error};
use crate::postgres::Password;
use crate::tls::Tls;

/// The broker's key and certificate in one file, as Kafka reads PEM.
const KEYSTORE: &str = "broker.pem";

/// Two listeners beside the open one: TLS alone, where everybody is let in, and TLS with SASL.
#[derive(Clone, Debug)]
pub struct KafkaSecurity {
    /// Names and addresses in the broker's certificate.
    pub server_names: Vec<String>,
    /// Who is let in by SASL, by SCRAM-SHA-512 and PLAIN alike.
    pub users: Vec<(String, Password)>,
    /// Whether users may do only what [`Kafka::grant`](super::Kafka::grant) lets them. A client without a name may do
    /// everything.
    pub authorize: bool,
    /// Whether the listener with TLS alone demands a certificate of the clients.
    pub client_certificate_required: bool,
    /// The broker's certificate was valid once, and is not any more.
    pub expired: bool,
}

impl Default for KafkaSecurity {
    fn default() -> KafkaSecurity {
        KafkaSecurity {
            server_names: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
            users: Vec::new(),
            authorize: false,
            client_certificate_required: false,
            expired: false,
        }
    }
}

impl KafkaSecurity {
    /// With one more user.
    #[must_use]
    pub fn with_user(mut self, name: &str, password: &str) -> KafkaSecurity {
        self.users.push((name.to_owned(), Password::from(password)));
        self
    }

    /// Makes an authority, and the broker's certificate by it.
    pub(super) fn make_certificates(&self, folder: PathBuf) -> Result<Tls> {
        let keystore = folder.join(KEYSTORE);
        let tls = Tls::create(folder.clone())?;
        let broker = tls.issue_server(&self.server_names, &folder, self.expired.into())?;
        let mut pem = String::new();
        for part in [&broker.key, &broker.certificate] {
            pem += &std::fs::read_to_string(part).map_err(file_error("read", part))?;
        }
        std::fs::write(&keystore, pem).map_err(file_error("write", keystore))?;
        Ok(tls)
    }

    /// The broker settings that go with the listeners `SASL_SSL` and `SSL`.
    pub(super) fn properties(&self, folder: &Path) -> Vec<(&'static str, String)> {
        let mut plain = "org.apache.kafka.common.security.plain.PlainLoginModule required".to_owned();
        for (name, password) in &self.users {
            write!(plain, " user_{name}=\"{}\"", password.text()).expect("a string takes any text");
        }
        let mut properties = vec![
            ("ssl.keystore.type", "PEM".to_owned()),
            (
                "ssl.keystore.location",
                folder.join(KEYSTORE).display().to_string(),
            ),
            ("sasl.enabled.mechanisms", "SCRAM-SHA-512,PLAIN".to_owned()),
            (
                "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config",
                "org.apache.kafka.common.security.scram.ScramLoginModule required;".to_owned(),
            ),
            ("listener.name.sasl_ssl.plain.sasl.jaas.config", plain + ";"),
        ];
        if self.client_certificate_required {
            properties.extend([
                ("listener.name.ssl.ssl.client.auth", "required".to_owned()),
                ("listener.name.ssl.ssl.truststore.type", "PEM".to_owned()),
                (
                    "listener.name.ssl.ssl.truststore.location",
                    folder.join("ca.crt").display().to_string(),
                ),
            ]);
        }
        if self.authorize {
            properties.extend([
                (
                    "authorizer.class.name",
                    "org.apache.kafka.metadata.authorizer.StandardAuthorizer".to_owned(),
                ),
                ("super.users", "User:ANONYMOUS".to_owned()),
            ]);
        }
        properties
    }

    /// Arguments of the storage tool that write the SCRAM users into the first metadata.
    pub(super) fn format_arguments(&self) -> Vec<String> {
        let scram = |(name, password): &(String, Password)| {
            format!("SCRAM-SHA-512=[name={name},password={}]", password.text())
        };
        self.users
            .iter()
            .flat_map(|user| ["--add-scram".to_owned(), scram(user)])
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_known_by_both_mechanisms() {
        let security = KafkaSecurity::default()
            .with_user("ada", "one")
            .with_user("bob", "two");
        let properties = security.properties(Path::new("/d"));
        let plain = properties
            .iter()
            .find(|(name, _)| name.contains("plain"))
            .unwrap();
        assert!(
            plain.1.ends_with("required user_ada=\"one\" user_bob=\"two\";"),
            "{}",
            plain.1
        );
        assert_eq!(
            security.format_arguments(),
            [
                "--add-scram",
                "SCRAM-SHA-512=[name=ada,password=one]",
                "--add-scram",
                "SCRAM-SHA-512=[name=bob,password=two]"
            ]
        );
        assert!(!format!("{security:?}").contains("one"));
    }
}
