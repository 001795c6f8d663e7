//! Commands of the replication protocol.
//!
//! See <https://www.postgresql.org/docs/current/protocol-replication.html>.

use std::time::Duration;

use postgres_protocol::message::frontend;
use tokio::time::Instant;
use tracing::info;
use walcast_delivery::sql::{identifier, literal};
use walcast_delivery::{SystemIdentifier, Timeline, TimelineSwitch};
use walcast_pgoutput::Lsn;

use super::timeline;
use crate::backend::BackendMessage;
use crate::connect::Wire;
use crate::encoding::Texts;
use crate::error::{OBJECT_IN_USE, PostgresError, ServerError};
use crate::slot_creation::SlotCreationObserver;

/// Replication connection before the stream, for commands.
pub(crate) struct ReplicationConnection {
    pub(super) wire: Wire,
    /// How texts of a stream over the connection arrive.
    pub(super) texts: Texts,
}

/// Result of `IDENTIFY_SYSTEM`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SystemIdentity {
    pub(crate) system_identifier: SystemIdentifier,
    pub(crate) timeline: Timeline,
    pub(crate) flush_lsn: Lsn,
}

/// Lifetime of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SlotKind {
    /// Until the slot is dropped.
    Permanent {
        /// Whether the slot is a failover slot (17 and later).
        is_failover: bool,
    },
    /// Until the connection ends.
    Temporary,
}

/// Consistent point of a slot, and the name of the exported snapshot, if one was requested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExportedSnapshot {
    pub(crate) consistent_point: Lsn,
    pub(crate) snapshot: Option<String>,
}

/// First version whose pgoutput sends logical decoding messages.
pub const MESSAGES_SINCE: u32 = 140_000;

/// First version with parenthesized options of `CREATE_REPLICATION_SLOT`.
const OPTIONS_IN_PARENTHESES_SINCE: u32 = 150_000;

/// Interval at which the wait for a slot's creation is reported. Creating a slot waits for all running transactions.
const SLOT_CREATION_REPORT: Duration = Duration::from_secs(3);

/// Interval of attempts to stream from a slot that is still active.
const SLOT_RETRY: Duration = Duration::from_millis(200);

type Row = Vec<Option<String>>;

impl ReplicationConnection {
    pub(crate) fn new(wire: Wire) -> Self {
        Self {
            wire,
            texts: Texts::InUtf8,
        }
    }

    /// Sets how texts of a stream over the connection arrive.
    pub(crate) fn with_texts(self, texts: Texts) -> Self {
        Self { texts, ..self }
    }

    /// Identifies cluster, timeline and flush position.
    pub(crate) async fn identify_system(&mut self) -> Result<SystemIdentity, PostgresError> {
        const DOING: &str = "identifying the system";
        let row = self.one_row(DOING, "IDENTIFY_SYSTEM").await?;
        Ok(SystemIdentity {
            system_identifier: field(DOING, &row, 0)?,
            timeline: Timeline::new(field(DOING, &row, 1)?),
            flush_lsn: field(DOING, &row, 2)?,
        })
    }

    /// History of `timeline`; the first timeline has none.
    pub(crate) async fn timeline_history(
        &mut self,
        timeline: Timeline,
    ) -> Result<Vec<TimelineSwitch>, PostgresError> {
        const DOING: &str = "reading the timeline history";
        if timeline == Timeline::new(1) {
            return Ok(Vec::new());
        }
        let row = self
            .one_row(DOING, &format!("TIMELINE_HISTORY {timeline}"))
            .await?;
        timeline::parse(&field::<String>(DOING, &row, 1)?)
    }

    /// `wal_sender_timeout` of this session, which role and database can set; `None` when there is no timeout.
    pub(crate) async fn wal_sender_timeout(&mut self) -> Result<Option<Duration>, PostgresError> {
        const DOING: &str = "reading wal_sender_timeout";
        let sql = "SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout'";
        let row = self.one_row(DOING, sql).await?;
        let milliseconds: u64 = field(DOING, &row, 0)?;
        Ok((milliseconds > 0).then(|| Duration::from_millis(milliseconds)))
    }

    /// Whether the server is in recovery.
    pub(crate) async fn is_in_recovery(&mut self) -> Result<bool, PostgresError> {
        const DOING: &str = "checking for recovery";
        let row = self
            .one_row(DOING, "SELECT pg_catalog.pg_is_in_recovery()")
            .await?;
        Ok(field::<String>(DOING, &row, 0)? == "t")
    }

    /// Creates a slot for pgoutput. An exported snapshot can be imported until the next command on this connection.
    pub(crate) async fn create_slot(
        &mut self,
        slot: &str,
        kind: SlotKind,
        exports: bool,
        server_version: u32,
        mut observer: SlotCreationObserver,
    ) -> Result<ExportedSnapshot, PostgresError> {
        const DOING: &str = "creating the slot";
        let sql = create_slot_command(slot, kind, exports, server_version);
        // Without a time limit: the server answers only once the transactions that run now have ended. Dropping this future ends the
        // wait here; the server continues until it finds the connection closed.
        let answer = query(&mut self.wire, DOING, &sql);
        tokio::pin!(answer);
        let began = Instant::now();
        let rows = loop {
            if let Ok(rows) = tokio::time::timeout(SLOT_CREATION_REPORT, &mut answer).await {
                break rows?;
            }
            observer.report(slot, began.elapsed()).await;
        };
        let row = only_row(DOING, rows)?;
        Ok(ExportedSnapshot {
            consistent_point: field(DOING, &row, 1)?,
            snapshot: row.get(2).cloned().flatten(),
        })
    }

    /// Copies a slot to a temporary one, which ends with this connection and only this connection can stream from. Returns the confirmed
    /// position of the copy.
    pub(crate) async fn copy_temporarily(&mut self, from: &str, to: &str) -> Result<Lsn, PostgresError> {
        const DOING: &str = "copying the slot";
        let row = self.one_row(DOING, &copy_slot_command(from, to)).await?;
        field(DOING, &row, 1)
    }

    /// Process of the server that serves this connection.
    pub(crate) async fn backend_pid(&mut self) -> Result<i32, PostgresError> {
        const DOING: &str = "reading the process of the connection";
        let row = self.one_row(DOING, "SELECT pg_catalog.pg_backend_pid()").await?;
        field(DOING, &row, 0)
    }

    /// Turns an inactive slot into a failover slot (17 and later).
    pub(crate) async fn make_failover_slot(&mut self, slot: &str) -> Result<(), PostgresError> {
        let sql = format!("ALTER_REPLICATION_SLOT {} (FAILOVER true)", identifier(slot));
        self.query("altering the slot", &sql).await?;
        info!(slot, "the slot is a failover slot now");
        Ok(())
    }

    /// Starts the stream. A slot that another connection holds is awaited for at most `patience`.
    pub(crate) async fn start_replication(
        &mut self,
        slot: &str,
        publication: &str,
        from: Lsn,
        server_version: u32,
        patience: Duration,
    ) -> Result<(), PostgresError> {
        let sql = start_command(slot, publication, from, server_version);
        let began = Instant::now();
        loop {
            let error = match self.try_start(&sql).await? {
                None => return Ok(()),
                Some(error) => error,
            };
            if error.code != OBJECT_IN_USE {
                return Err(PostgresError::Server {
                    doing: "starting the stream",
                    error: Box::new(error),
                });
            }
            let waited = began.elapsed();
            if waited >= patience {
                return Err(PostgresError::SlotActive {
                    slot: slot.to_owned(),
                    holder: None,
                    waited,
                    error: Box::new(error),
                });
            }
            tracing::debug!(slot, %error, "waiting for the slot");
            tokio::time::sleep(SLOT_RETRY).await;
        }
    }

    /// Tries to start the stream. After a returned error of the server more commands are possible.
    async fn try_start(&mut self, sql: &str) -> Result<Option<ServerError>, PostgresError> {
        const DOING: &str = "starting the stream";
        let answer = async |wire: &mut Wire| {
            wire.send(DOING, |buffer| frontend::query(sql, buffer)).await?;
            match wire.receive(DOING).await? {
                BackendMessage::CopyBoth => Ok(None),
                BackendMessage::Error(error) => match wire.receive(DOING).await? {
                    BackendMessage::ReadyForQuery => Ok(Some(error)),
                    other => Err(other.unexpected_message(DOING)),
                },
                other => Err(other.unexpected_message(DOING)),
            }
        };
        self.wire.answered(DOING, answer).await
    }

    async fn one_row(&mut self, doing: &'static str, sql: &str) -> Result<Row, PostgresError> {
        only_row(doing, self.query(doing, sql).await?)
    }

    /// Executes a command that is answered at once.
    async fn query(&mut self, doing: &'static str, sql: &str) -> Result<Vec<Row>, PostgresError> {
        let answer = async |wire: &mut Wire| query(wire, doing, sql).await;
        self.wire.answered(doing, answer).await
    }
}

/// Executes a command, and returns its rows.
async fn query(wire: &mut Wire, doing: &'static str, sql: &str) -> Result<Vec<Row>, PostgresError> {
    wire.send(doing, |buffer| frontend::query(sql, buffer)).await?;
    let mut rows = Vec::new();
    let mut failure = None;
    loop {
        match wire.receive(doing).await? {
            BackendMessage::DataRow(row) => rows.push(row),
            BackendMessage::RowDescription | BackendMessage::CommandComplete => {}
            BackendMessage::Error(error) => failure = Some(Box::new(error)),
            BackendMessage::ReadyForQuery => {
                return match failure {
                    None => Ok(rows),
                    Some(error) => Err(PostgresError::Server { doing, error }),
                };
            }
            other => return Err(other.unexpected_message(doing)),
        }
    }
}

fn create_slot_command(slot: &str, kind: SlotKind, exports: bool, server_version: u32) -> String {
    let (temporary, is_failover) = match kind {
        SlotKind::Permanent { is_failover } => ("", is_failover),
        SlotKind::Temporary => (" TEMPORARY", false),
    };
    let options = match (server_version >= OPTIONS_IN_PARENTHESES_SINCE, exports) {
        (true, _) => {
            let snapshot = if exports { "export" } else { "nothing" };
            let failover = if is_failover { ", FAILOVER true" } else { "" };
            format!("(SNAPSHOT '{snapshot}'{failover})")
        }
        (false, true) => "EXPORT_SNAPSHOT".to_owned(),
        (false, false) => "NOEXPORT_SNAPSHOT".to_owned(),
    };
    format!(
        "CREATE_REPLICATION_SLOT {}{temporary} LOGICAL pgoutput {options}",
        identifier(slot)
    )
}

/// Statement that copies a slot to a temporary one.
fn copy_slot_command(from: &str, to: &str) -> String {
    format!(
        "SELECT slot_name, lsn FROM pg_catalog.pg_copy_logical_replication_slot({}, {}, true)",
        literal(from),
        literal(to)
    )
}

/// `START_REPLICATION` command. Messages are always requested: they count among the changes of a transaction, so that the ordinal of a
/// change does not depend on the configuration.
fn start_command(slot: &str, publication: &str, from: Lsn, server_version: u32) -> String {
    let messages = if server_version >= MESSAGES_SINCE {
        ", messages 'true'"
    } else {
        ""
    };
    // The publication is an identifier inside a literal.
    format!(
        "START_REPLICATION SLOT {} LOGICAL {from} (proto_version '1', publication_names {}{messages})",
        identifier(slot),
        literal(&identifier(publication)),
    )
}

fn only_row(doing: &'static str, rows: Vec<Row>) -> Result<Row, PostgresError> {
    let count = rows.len();
    let mut rows = rows.into_iter();
    match (rows.next(), rows.next()) {
        (Some(row), None) => Ok(row),
        _ => Err(PostgresError::UnexpectedAnswer {
            doing,
            answer: format!("{count} rows"),
        }),
    }
}

fn field<T: std::str::FromStr>(doing: &'static str, row: &Row, index: usize) -> Result<T, PostgresError> {
    let text = row.get(index).and_then(Option::as_deref).unwrap_or_default();
    text.parse().map_err(|_| PostgresError::UnexpectedAnswer {
        doing,
        answer: text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use walcast_pgoutput::Lsn;

    use super::{SlotKind, copy_slot_command, create_slot_command, start_command};

    fn check(slot: &str, kind: SlotKind, exports: bool, version: u32, expected: &Expect) {
        expected.assert_eq(&create_slot_command(slot, kind, exports, version));
    }

    #[test]
    fn a_slot_is_copied_for_the_connection() {
        expect!["SELECT slot_name, lsn FROM pg_catalog.pg_copy_logical_replication_slot('a''b', 'c', true)"]
            .assert_eq(&copy_slot_command("a'b", "c"));
    }

    #[test]
    fn requests_messages_where_they_are_supported() {
        let from = Lsn::new(0x16B_3748);
        expect![[
            r#"START_REPLICATION SLOT "s" LOGICAL 0/16B3748 (proto_version '1', publication_names '"p"')"#
        ]]
        .assert_eq(&start_command("s", "p", from, 130_023));
        expect![[r#"START_REPLICATION SLOT "s" LOGICAL 0/16B3748 (proto_version '1', publication_names '"p"', messages 'true')"#]]
            .assert_eq(&start_command("s", "p", from, 140_019));
    }

    #[test]
    fn slots_are_created_in_the_grammar_of_the_version() {
        check(
            "a",
            SlotKind::Permanent { is_failover: false },
            false,
            140_019,
            &expect![[r#"CREATE_REPLICATION_SLOT "a" LOGICAL pgoutput NOEXPORT_SNAPSHOT"#]],
        );
        check(
            "a\"b",
            SlotKind::Temporary,
            false,
            180_000,
            &expect![[r#"CREATE_REPLICATION_SLOT "a""b" TEMPORARY LOGICAL pgoutput (SNAPSHOT 'nothing')"#]],
        );
        check(
            "a",
            SlotKind::Temporary,
            true,
            120_022,
            &expect![[r#"CREATE_REPLICATION_SLOT "a" TEMPORARY LOGICAL pgoutput EXPORT_SNAPSHOT"#]],
        );
        check(
            "a",
            SlotKind::Permanent { is_failover: false },
            true,
            150_000,
            &expect![[r#"CREATE_REPLICATION_SLOT "a" LOGICAL pgoutput (SNAPSHOT 'export')"#]],
        );
        check(
            "a",
            SlotKind::Permanent { is_failover: true },
            true,
            170_000,
            &expect![[r#"CREATE_REPLICATION_SLOT "a" LOGICAL pgoutput (SNAPSHOT 'export', FAILOVER true)"#]],
        );
    }
}
