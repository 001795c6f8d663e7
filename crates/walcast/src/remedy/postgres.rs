//! Remedies for errors of the Postgres source.

use std::error::Error;

use walcast_postgres::{PostgresError, ServerError};

use super::setting::setting_name;

/// Remedy for one error of the chain, if it has one.
pub(super) fn remedy(error: &(dyn Error + 'static)) -> Option<String> {
    error.downcast_ref().and_then(source)
}

fn source(error: &PostgresError) -> Option<String> {
    let remedy = match error {
        PostgresError::Setting { setting, .. } => return Some(format!("correct [postgres] {setting}")),
        PostgresError::Resolve { .. } => "check the host name in [postgres] url",
        PostgresError::PasswordMissing { .. } => "set PGPASSWORD, [postgres] password_file, or ~/.pgpass",
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
        PostgresError::Server { error, .. } => return server(error).map(str::to_owned),
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

/// Remedy for a rejected connection, where the server's message does not contain one.
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
        _ => None,
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
