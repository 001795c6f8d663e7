//! Transactions that the creation of a slot waits for: the server creates a slot only once the transactions that run have ended.

use std::fmt;

use tokio::sync::watch;

use crate::sql::literal;

/// Transaction that keeps a slot from being created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockingTransaction {
    /// Transaction of a session.
    Session {
        /// Process ID.
        pid: i32,
        /// Role of the session, if the server shows it.
        role: Option<String>,
        /// `application_name` of the session, if the server shows it.
        application_name: Option<String>,
        /// Begin of the transaction, if the server shows it.
        since: Option<String>,
    },
    /// Prepared transaction, which belongs to no session and survives a restart of the server.
    Prepared {
        /// Identifier given to `PREPARE TRANSACTION`.
        gid: String,
        /// Role that prepared it.
        role: String,
        /// Database in which it was prepared.
        database: String,
        /// Time of `PREPARE TRANSACTION`.
        since: String,
    },
}

impl BlockingTransaction {
    /// Statement that ends the transaction.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Session { pid, .. } => format!("SELECT pg_terminate_backend({pid})"),
            Self::Prepared { gid, database, .. } => {
                let gid = literal(gid);
                format!("COMMIT PREPARED {gid} or ROLLBACK PREPARED {gid}, in database {database}")
            }
        }
    }
}

impl fmt::Display for BlockingTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session {
                pid,
                role,
                application_name,
                since,
            } => {
                write!(f, "the transaction of process {pid}")?;
                let details = [
                    role.as_ref().map(|role| format!("role {role:?}")),
                    application_name
                        .as_ref()
                        .map(|name| format!("application_name {name:?}")),
                    since.as_ref().map(|since| format!("begun at {since}")),
                ];
                let details: Vec<String> = details.into_iter().flatten().collect();
                match details.is_empty() {
                    true => Ok(()),
                    false => write!(f, " ({})", details.join(", ")),
                }
            }
            Self::Prepared {
                gid,
                role,
                database,
                since,
            } => write!(
                f,
                "prepared transaction {gid:?} (role {role:?}, database {database:?}, prepared at {since})"
            ),
        }
    }
}

/// Transactions that the creation of the slot waits for at the moment; none while no slot is being created. Clones share the
/// state.
#[derive(Clone, Debug, Default)]
pub struct SlotCreationState(watch::Sender<Vec<BlockingTransaction>>);

impl SlotCreationState {
    /// Transactions that the creation waits for.
    #[must_use]
    pub fn read(&self) -> Vec<BlockingTransaction> {
        self.0.borrow().clone()
    }

    /// Sets the transactions.
    pub fn set(&self, blocking: Vec<BlockingTransaction>) {
        self.0.send_replace(blocking);
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::BlockingTransaction;

    #[test]
    fn a_transaction_is_named_with_the_statement_that_ends_it() {
        let text = |one: &BlockingTransaction| format!("{one}; {}", one.remedy());
        expect![[r#"prepared transaction "it's" (role "app", database "shop", prepared at 2026-01-01 00:00:00Z); COMMIT PREPARED 'it''s' or ROLLBACK PREPARED 'it''s', in database shop"#]]
            .assert_eq(&text(&BlockingTransaction::Prepared {
                gid: "it's".to_owned(),
                role: "app".to_owned(),
                database: "shop".to_owned(),
                since: "2026-01-01 00:00:00Z".to_owned(),
            }));
        let mut session = BlockingTransaction::Session {
            pid: 7,
            role: Some("app".to_owned()),
            application_name: Some("psql".to_owned()),
            since: Some("2026-01-01 00:00:00Z".to_owned()),
        };
        expect![[r#"the transaction of process 7 (role "app", application_name "psql", begun at 2026-01-01 00:00:00Z); SELECT pg_terminate_backend(7)"#]]
            .assert_eq(&text(&session));
        if let BlockingTransaction::Session {
            role,
            application_name,
            since,
            ..
        } = &mut session
        {
            (*role, *application_name, *since) = (None, None, None);
        }
        expect!["the transaction of process 7; SELECT pg_terminate_backend(7)"].assert_eq(&text(&session));
    }
}
