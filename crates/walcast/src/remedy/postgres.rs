//! Remedies for errors of the Postgres source.

use std::error::Error;

use walcast_delivery::{Disposition, PortError, sql};
use walcast_postgres::{ConninfoError, LoginFault, PostgresError, ServerError, TlsSetupError};

use super::setting::setting_name;

/// Remedy for one error of the chain, if it has one.
pub(super) fn remedy(error: &(dyn Error + 'static)) -> Option<String> {
    let of_source = error.downcast_ref().and_then(source);
    of_source.or_else(|| error.downcast_ref().and_then(conninfo))
}

fn source(error: &PostgresError) -> Option<String> {
    let remedy = match error {
        // Those of an outbox are named with their table.
        PostgresError::Setting { setting, .. } if setting.starts_with('[') => {
            return Some(format!("correct {setting}, or the table"));
        }
        PostgresError::Setting { setting, .. } => return Some(format!("correct [postgres] {setting}")),
        PostgresError::Conninfo(error) => return conninfo(error),
        PostgresError::PublicationMissing { .. } => {
            "name one of: SELECT pubname FROM pg_publication; or leave --publication out"
        }
        PostgresError::NoTableMatches { .. } => {
            "a pattern has the form schema.table, in the case of the catalog, where * matches any characters"
        }
        PostgresError::Resolve { .. } => "check the host name in [postgres] url",
        PostgresError::PasswordMissing { .. } => "set PGPASSWORD, [postgres] password_file, or ~/.pgpass",
        PostgresError::AnswerTooLarge { .. }
        | PostgresError::UnexpectedAnswer { .. }
        | PostgresError::Protocol { .. }
        | PostgresError::UnexpectedMessage { .. }
        | PostgresError::Login {
            fault: LoginFault::MessageTooLong { .. } | LoginFault::AnswerTooLong { .. } | LoginFault::TooMuch,
            ..
        } => {
            "check host and port of [postgres] url, and that neither a pooler nor a proxy that changes messages is in between"
        }
        PostgresError::Broken { .. } | PostgresError::Query { .. } | PostgresError::StreamEnded { .. } => {
            "the process log of the server may contain the reason; a running connector connects again"
        }
        PostgresError::TlsSetup(error) => return tls_setup(error),
        PostgresError::PasswordFile { .. } => "check [postgres] password_file and its permissions",
        PostgresError::ChannelBinding { .. } => {
            "set sslmode=require or stricter in [postgres] url and scram-sha-256 in pg_hba.conf, or channel_binding=prefer"
        }
        PostgresError::Scram { .. } => {
            "check the password, and that host and port of [postgres] url lead to the right server"
        }
        PostgresError::NoSuitableHost { .. } => "check the hosts and target_session_attrs of [postgres] url",
        PostgresError::TooOld { .. } => "upgrade the server",
        PostgresError::SlotActive { .. } => "stop that client, or set [postgres] slot to another name",
        PostgresError::LeadershipLost { .. } | PostgresError::NotLeading => {
            "a running connector acquires it again, or stands by for the instance that has acquired it"
        }
        PostgresError::TableReplaced { .. } => "a running connector polls the new table",
        PostgresError::Untranslatable { .. } => {
            "a running connector requests the texts as they are stored and has them converted one by one, so that only values without \
             equivalent have no form (docs/types.md)"
        }
        PostgresError::StillActive { slot, .. } => {
            return Some(format!(
                "end its connection with: SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = {}",
                sql::literal(slot)
            ));
        }
        PostgresError::ConditionRejected { .. } => {
            "correct the condition in [[snapshot.filters]] or in the request, or the row filter of the publication"
        }
        PostgresError::ReadDenied { .. } => "or leave the table out of [snapshot] tables",
        PostgresError::RowsUnreadable { fix, .. } => {
            return Some(fix.render(setting_name)).filter(|fix| !fix.is_empty());
        }
        PostgresError::ConditionTimeout { .. } => {
            "choose a condition that an index supports, or raise [snapshot] condition_timeout"
        }
        PostgresError::InRecovery { .. } => {
            "point [postgres] url at the primary, or list all hosts with target_session_attrs=primary"
        }
        PostgresError::DifferentServers { .. } => "point [postgres] url at the primary itself",
        PostgresError::StandbyTooOld { .. } => "leave [snapshot] standby_url out",
        PostgresError::NotAStandbyOfPrimary { .. } => {
            "point [snapshot] standby_url at a standby of the server of [postgres] url"
        }
        PostgresError::PooledConnection { .. } => {
            "point [postgres] url at the server itself, or at a pool in session mode"
        }
        PostgresError::NoFailoverSlots { .. } => {
            "upgrade the server, or set failover = \"auto\" in [postgres] and read docs/high-availability.md"
        }
        PostgresError::MayNotPublish { publications, .. } => return Some(may_not_publish(publications)),
        // The statement that resolves it is in the text.
        PostgresError::StreamFailed { .. } if error.disposition() == Disposition::Halt => return None,
        PostgresError::Server { error, .. } | PostgresError::StreamFailed { error, .. } => {
            return server(error).map(str::to_owned);
        }
        _ => return None,
    };
    Some(remedy.to_owned())
}

/// Remedy for an invalid connection string, where the text does not name what is valid.
fn conninfo(error: &ConninfoError) -> Option<String> {
    let remedy = match error {
        ConninfoError::Malformed { .. } => {
            "write it as postgres://user@host:5432/database, or as key=value pairs of libpq"
        }
        ConninfoError::Unknown { .. } => "parameters have the names of libpq",
        ConninfoError::Contradiction(_) => "keep one of them",
        _ => return None,
    };
    Some(remedy.to_owned())
}

/// Remedy for certificates or keys that cannot be used.
fn tls_setup(error: &TlsSetupError) -> Option<String> {
    let remedy = match error {
        TlsSetupError::File { parameter, .. } | TlsSetupError::Pem { parameter, .. } => {
            return Some(format!("correct {parameter} in [postgres] url, or the file"));
        }
        TlsSetupError::NoSystemRoots { .. } => {
            "set sslrootcert in [postgres] url to a file with the certificate authority of the server"
        }
        TlsSetupError::Rejected(_) => "check sslrootcert, sslcert and sslkey of [postgres] url",
        _ => return None,
    };
    Some(remedy.to_owned())
}

/// Ways to stream without the right to create a publication.
fn may_not_publish(publications: &[String]) -> String {
    let existing = match publications {
        [] => "have an administrator create one and name it with --publication NAME".to_owned(),
        some => format!(
            "name an existing one with --publication NAME (there is {})",
            some.join(", ")
        ),
    };
    format!(
        "{existing}, which needs no privilege but REPLICATION; to create a publication, the role needs CREATE on the database and must \
         own the tables"
    )
}

/// Remedy for an error of the server. Its message and its hint are in the text.
fn server(error: &ServerError) -> Option<&'static str> {
    match error.code.as_str() {
        "28P01" => Some("check user and password: PGPASSWORD, [postgres] password_file, or ~/.pgpass"),
        "28000" if error.message.contains("certificate") => Some(
            "give sslcert and sslkey in [postgres] url: a certificate for that user, issued by an authority that the server trusts",
        ),
        "28000" if error.message.contains("does not exist") => Some(
            "create the role (CREATE ROLE … LOGIN REPLICATION PASSWORD …), or correct the user in [postgres] url",
        ),
        "28000" => Some(
            "add an entry for this role and host to pg_hba.conf, or set sslmode=require or stricter if the entry requires TLS",
        ),
        "3D000" => Some("check the database's name in [postgres] url"),
        "42501" => Some(missing_privilege(&error.message)),
        "53300" => Some("raise max_connections or the limit of the role or database, or end other sessions"),
        "53400" => Some(
            "drop slots that no client needs (SELECT slot_name, active FROM pg_replication_slots), or raise max_replication_slots or \
             max_wal_senders and restart the server",
        ),
        "57P04" => Some("point [postgres] url at a database that exists"),
        // The server restarts or fails over, or another session ends or holds a lock: a retry continues.
        _ if error.is_retryable() => None,
        _ => Some("the process log of the server contains the statement and its context"),
    }
}

/// Privilege that the role of the connection string lacks, by the message of the server.
fn missing_privilege(message: &str) -> &'static str {
    let object = |kind: &str| message.starts_with(&format!("permission denied for {kind}"));
    if message.starts_with("must be owner of") {
        "have the owner run the statement, or make the role of [postgres] url a member of the owner's role"
    } else if message.contains("replication") || message.contains("WAL sender") {
        "run: ALTER ROLE … REPLICATION, for the role of [postgres] url"
    } else if object("table") || object("relation") || object("view") || object("materialized view") {
        "run: GRANT SELECT ON TABLE … TO the role of [postgres] url, or of [snapshot] user"
    } else if object("schema") {
        "run: GRANT USAGE ON SCHEMA … TO the role of [postgres] url, or of [snapshot] user"
    } else if object("database") {
        "run: GRANT CREATE ON DATABASE … TO the role of [postgres] url, or have an administrator create the publication"
    } else {
        "grant the missing privilege to the role of [postgres] url"
    }
}

#[cfg(test)]
mod tests {
    use walcast_delivery::{BoxedPortError, ConnectorSetting, DeliveryError, Fix};
    use walcast_postgres::{PostgresError, ServerError};

    use crate::remedy::describe;

    #[test]
    fn error_of_the_server_has_a_remedy_by_its_code() {
        let error = PostgresError::Server {
            doing: "connecting",
            error: Box::new(ServerError {
                code: "28P01".to_owned(),
                message: "password authentication failed".to_owned(),
                ..ServerError::default()
            }),
        };
        let error = PostgresError::FirstConnection(Box::new(error));
        expect_test::expect!["postgres: connecting: password authentication failed (SQLSTATE 28P01); check user and password: PGPASSWORD, [postgres] password_file, or ~/.pgpass"]
            .assert_eq(&describe(&DeliveryError::Source(BoxedPortError::from(error))));
    }

    #[test]
    fn missing_privilege_is_named_by_its_object() {
        let remedy = |message: &str| {
            let error = PostgresError::Server {
                doing: "preparing",
                error: Box::new(ServerError {
                    code: "42501".to_owned(),
                    message: message.to_owned(),
                    ..ServerError::default()
                }),
            };
            let text = describe(&error);
            text.split_once("; ")
                .map(|(_, remedy)| remedy.to_owned())
                .unwrap()
        };
        for (message, expected) in [
            (
                "must be owner of table invoices",
                "have the owner run the statement",
            ),
            (
                "permission denied to start WAL sender",
                "run: ALTER ROLE … REPLICATION",
            ),
            (
                "must be superuser or replication role to use replication slots",
                "run: ALTER ROLE … REPLICATION",
            ),
            ("permission denied for table orders", "run: GRANT SELECT ON TABLE"),
            ("permission denied for schema sales", "run: GRANT USAGE ON SCHEMA"),
            (
                "permission denied for database shop",
                "run: GRANT CREATE ON DATABASE",
            ),
            ("permission denied for function f", "grant the missing privilege"),
        ] {
            let remedy = remedy(message);
            assert!(remedy.starts_with(expected), "{message}: {remedy}");
        }
    }

    #[test]
    fn role_that_may_not_publish_learns_of_publications() {
        let denied = |publications: &[&str]| PostgresError::MayNotPublish {
            error: Box::new(ServerError {
                code: "42501".to_owned(),
                message: "permission denied for database shop".to_owned(),
                ..ServerError::default()
            }),
            publications: publications.iter().map(|name| (*name).to_owned()).collect(),
        };
        expect_test::expect!["permission denied for database shop (SQLSTATE 42501): the role may not create a publication for these tables; have an administrator create one and name it with --publication NAME, which needs no privilege but REPLICATION; to create a publication, the role needs CREATE on the database and must own the tables"].assert_eq(&describe(&denied(&[])));
        expect_test::expect!["permission denied for database shop (SQLSTATE 42501): the role may not create a publication for these tables; name an existing one with --publication NAME (there is shop, audit), which needs no privilege but REPLICATION; to create a publication, the role needs CREATE on the database and must own the tables"].assert_eq(&describe(&denied(&["shop", "audit"])));
    }

    #[test]
    fn unreadable_rows_are_shown_with_their_fix() {
        let error = PostgresError::RowsUnreadable {
            why: "of 1 tables cannot be read: public.orders".to_owned(),
            fix: Fix::from("GRANT SELECT ON public.orders TO walcast; or set ")
                .setting(ConnectorSetting::SnapshotMode)
                .text(" to \"never\""),
        };
        expect_test::expect![[r#"existing rows of 1 tables cannot be read: public.orders; GRANT SELECT ON public.orders TO walcast; or set [snapshot] mode to "never""#]]
            .assert_eq(&describe(&error));
    }
}
