//! Position of an offset of Debezium's Postgres connector.
//!
//! The offset belongs to the last record sent: `lsn` is the position of its change, `messageType` the kind of the change, and
//! `lsn_commit` the end of the last commit record that the connector had read. So the transaction of `lsn` is the first one
//! after `lsn_commit`. Whether the transaction was sent completely is unknown, unless `messageType` is COMMIT.

use serde::{Deserialize, Deserializer};
use walcast_delivery::{ConnectorOffset, OffsetChange};
use walcast_pgoutput::{Lsn, PgTimestamp, Xid};

/// Fields of an offset that determine the position at which the connector stopped.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Offset {
    #[serde(default, deserialize_with = "position")]
    lsn: Option<Lsn>,
    #[serde(default, deserialize_with = "position")]
    lsn_proc: Option<Lsn>,
    #[serde(default, deserialize_with = "position")]
    lsn_commit: Option<Lsn>,
    #[serde(default)]
    lsn_events_processed: Option<u64>,
    #[serde(default, rename = "txId")]
    transaction: Option<u32>,
    #[serde(default)]
    ts_usec: Option<i64>,
    #[serde(default, rename = "messageType")]
    message_type: Option<String>,
    /// Kind of the running snapshot: a text, or a boolean in older versions.
    #[serde(default)]
    snapshot: Option<serde_json::Value>,
    #[serde(default)]
    last_snapshot_record: bool,
    #[serde(default)]
    snapshot_completed: bool,
    /// Remaining tables of an incremental snapshot, as JSON.
    #[serde(default)]
    incremental_snapshot_collections: Option<String>,
}

/// Error: the offset does not determine a position.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OffsetError {
    /// The value is not an offset.
    #[error(
        "the offset is not one of Debezium's Postgres connector; give the JSON of the last stored offset with --offset"
    )]
    Json {
        /// Cause.
        #[source]
        source: serde_json::Error,
    },
    /// The offset contains no position.
    #[error(
        "the offset has neither lsn_commit nor lsn: it is not an offset of Debezium's Postgres connector; give \
         the last stored offset"
    )]
    Empty,
    /// The connector stopped during a snapshot.
    #[error(
        "the connector stopped before its snapshot was complete, and walcast cannot resume the snapshot: start the connector \
         again and let the snapshot finish"
    )]
    SnapshotUnfinished,
    /// The connector stopped during an incremental snapshot.
    #[error(
        "an incremental snapshot is incomplete, and walcast cannot resume it: start the connector again, and let the snapshot \
         finish or stop it with a stop-snapshot signal"
    )]
    IncrementalSnapshotUnfinished,
    /// The offset names a change without the fields that identify its transaction.
    #[error(
        "the offset names a change at {lsn}, but not its {missing}: it was written by a version of Debezium before 2.0; \
         run the connector once with a later version"
    )]
    Incomplete {
        /// Position of the change.
        lsn: Lsn,
        /// Missing field.
        missing: &'static str,
    },
}

impl Offset {
    /// Reads the value of a stored offset.
    ///
    /// # Errors
    /// The value is not an offset.
    pub(crate) fn read(json: &[u8]) -> Result<Self, OffsetError> {
        serde_json::from_slice(json).map_err(|source| OffsetError::Json { source })
    }

    /// Position at which the connector stopped. `counted` is the number of changes at `lsn` sent so far, from the command line.
    ///
    /// # Errors
    /// The connector stopped during a snapshot, or the offset is incomplete.
    pub(crate) fn position(&self, counted: Option<u64>) -> Result<ConnectorOffset, OffsetError> {
        let is_empty = |tables: &str| tables.is_empty() || tables == "[]";
        if self
            .incremental_snapshot_collections
            .as_deref()
            .is_some_and(|tables| !is_empty(tables))
        {
            return Err(OffsetError::IncrementalSnapshotUnfinished);
        }
        let in_snapshot = self.snapshot.as_ref().is_some_and(|snapshot| {
            !snapshot.is_null() && snapshot != &serde_json::Value::Bool(false) && snapshot != "false"
        });
        if in_snapshot {
            return self.after_snapshot();
        }
        let between = |committed_at| ConnectorOffset {
            delivered_until: self.lsn_commit,
            last_commit_end: self.lsn_commit,
            committed_at,
            within: None,
        };
        let time = self.ts_usec.map(PgTimestamp::from_unix_micros);
        let Some(lsn) = self.lsn else {
            return self.lsn_commit.map(|_| between(time)).ok_or(OffsetError::Empty);
        };
        let missing = |missing| OffsetError::Incomplete { lsn, missing };
        let message_type = self
            .message_type
            .as_deref()
            .ok_or_else(|| missing("messageType"))?;
        match message_type {
            "COMMIT" => {
                self.lsn_commit.ok_or_else(|| missing("lsn_commit"))?;
                return Ok(between(time));
            }
            // Only the BEGIN of the transaction was sent.
            "BEGIN" => return Ok(between(None)),
            // A message outside of a transaction is its own commit.
            "MESSAGE" if self.lsn_commit == Some(lsn) => return Ok(between(time)),
            _ => {}
        }
        let change = OffsetChange {
            xid: self.transaction.map(Xid::new).ok_or_else(|| missing("txId"))?,
            lsn,
            sent_at_lsn: self.lsn_events_processed.filter(|events| *events > 0),
            is_last_at_lsn: self.lsn_proc == Some(lsn),
            is_message: message_type == "MESSAGE",
            counted_at_lsn: counted,
        };
        Ok(ConnectorOffset {
            within: Some(change),
            ..between(None)
        })
    }

    /// Position after a snapshot: the stream begins at the position of the snapshot.
    fn after_snapshot(&self) -> Result<ConnectorOffset, OffsetError> {
        if !(self.last_snapshot_record || self.snapshot_completed) {
            return Err(OffsetError::SnapshotUnfinished);
        }
        let lsn = self.lsn.ok_or(OffsetError::Empty)?;
        Ok(ConnectorOffset {
            delivered_until: Some(lsn),
            last_commit_end: self.lsn_commit,
            committed_at: None,
            within: None,
        })
    }

    /// Record that walcast sends again although the connector sent it; only if the configuration sends such records.
    pub(crate) fn repeats(&self) -> Option<&'static str> {
        match self.message_type.as_deref() {
            Some("BEGIN") => {
                Some("the BEGIN of the next transaction was already sent to the transaction topic")
            }
            Some("MESSAGE") if self.lsn_commit == self.lsn => {
                Some("the message at the offset's position, outside of any transaction, was already sent")
            }
            _ => None,
        }
    }
}

/// Reads a position: a number, as Connect stores it, or a text in the form of Postgres, from the command line.
fn position<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Lsn>, D::Error> {
    use serde::de::Error;

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(u64),
        Text(String),
    }
    match Option::<Written>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Written::Number(number)) => Ok(Some(Lsn::new(number))),
        Some(Written::Text(text)) => text.parse().map(Some).map_err(D::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::Offset;

    fn check(json: &str, expected: &Expect) {
        let printed = match Offset::read(json.as_bytes()).and_then(|offset| offset.position(None)) {
            Ok(position) => {
                let within = position.within.map(|change| {
                    format!(
                        "{} in {}, {:?} sent there, last there: {}, message: {}",
                        change.lsn, change.xid, change.sent_at_lsn, change.is_last_at_lsn, change.is_message
                    )
                });
                let until = position.delivered_until.map(|lsn| lsn.to_string());
                let commit = position.last_commit_end.map(|lsn| lsn.to_string());
                format!("until {until:?}, commit {commit:?}, within {within:?}")
            }
            Err(error) => walcast_delivery::one_line(&error),
        };
        expected.assert_eq(&printed);
    }

    #[test]
    fn a_change_belongs_to_the_transaction_after_the_commit() {
        check(
            r#"{"lsn_proc":23832392,"messageType":"INSERT","lsn_commit":23832000,"lsn":23832392,"txId":771,"ts_usec":1767225600000000}"#,
            &expect![[
                r#"until Some("0/16BA5C0"), commit Some("0/16BA5C0"), within Some("0/16BA748 in 771, None sent there, last there: true, message: false")"#
            ]],
        );
        check(
            r#"{"lsn_proc":7,"messageType":"UPDATE","lsn_commit":5,"lsn":7,"txId":4000000000,"lsn_events_processed":3}"#,
            &expect![[
                r#"until Some("0/5"), commit Some("0/5"), within Some("0/7 in 4000000000, Some(3) sent there, last there: true, message: false")"#
            ]],
        );
        // First transaction of a connector.
        check(
            r#"{"lsn_proc":7,"messageType":"INSERT","lsn":7,"txId":771}"#,
            &expect![[
                r#"until None, commit None, within Some("0/7 in 771, None sent there, last there: true, message: false")"#
            ]],
        );
        check(
            r#"{"lsn_proc":5,"messageType":"TRUNCATE","lsn_commit":5,"lsn":7,"txId":771}"#,
            &expect![[
                r#"until Some("0/5"), commit Some("0/5"), within Some("0/7 in 771, None sent there, last there: false, message: false")"#
            ]],
        );
    }

    #[test]
    fn a_commit_is_a_position_between_transactions() {
        let between = expect![[r#"until Some("0/9"), commit Some("0/9"), within None"#]];
        check(
            r#"{"lsn_proc":9,"messageType":"COMMIT","lsn_commit":9,"lsn":9,"txId":771}"#,
            &between,
        );
        check(
            r#"{"lsn_proc":11,"messageType":"BEGIN","lsn_commit":9,"lsn":11,"txId":772}"#,
            &between,
        );
        check(
            r#"{"lsn_proc":9,"messageType":"MESSAGE","lsn_commit":9,"lsn":9}"#,
            &between,
        );
        check(r#"{"lsn_commit":9}"#, &between);
        check(r#"{"lsn_commit":"0/9"}"#, &between);
        check(
            r#"{"lsn_proc":9,"messageType":"MESSAGE","lsn_commit":9,"lsn":11,"txId":772}"#,
            &expect![[
                r#"until Some("0/9"), commit Some("0/9"), within Some("0/B in 772, None sent there, last there: false, message: true")"#
            ]],
        );
    }

    #[test]
    fn a_snapshot_ends_where_the_stream_begins() {
        let ended = expect![[r#"until Some("0/9"), commit None, within None"#]];
        check(
            r#"{"snapshot":"INITIAL","lsn":9,"txId":7,"last_snapshot_record":true,"snapshot_completed":false}"#,
            &ended,
        );
        check(
            r#"{"snapshot":"INITIAL","lsn":9,"txId":7,"last_snapshot_record":false,"snapshot_completed":true}"#,
            &ended,
        );
        check(
            r#"{"snapshot":true,"lsn":9,"txId":7,"last_snapshot_record":true}"#,
            &ended,
        );
        check(
            r#"{"snapshot":"INITIAL","lsn":9,"txId":7,"last_snapshot_record":false,"snapshot_completed":false}"#,
            &expect![
                "the connector stopped before its snapshot was complete, and walcast cannot resume the snapshot: start the connector again and let the snapshot finish"
            ],
        );
        check(
            r#"{"lsn":9,"lsn_commit":8,"lsn_proc":9,"messageType":"INSERT","txId":7,"incremental_snapshot_collections":"[{\"incremental_snapshot_collections_id\":\"public.t\"}]"}"#,
            &expect![
                "an incremental snapshot is incomplete, and walcast cannot resume it: start the connector again, and let the snapshot finish or stop it with a stop-snapshot signal"
            ],
        );
    }

    #[test]
    fn an_incomplete_offset_is_rejected() {
        expect!["the offset is not one of Debezium's Postgres connector; give the JSON of the last stored offset with --offset"]
            .assert_eq(&Offset::read(b"no offset").unwrap_err().to_string());
        check(
            "{}",
            &expect![
                "the offset has neither lsn_commit nor lsn: it is not an offset of Debezium's Postgres connector; give the last stored offset"
            ],
        );
        check(
            r#"{"lsn":9,"lsn_commit":9,"txId":7}"#,
            &expect![
                "the offset names a change at 0/9, but not its messageType: it was written by a version of Debezium before 2.0; run the connector once with a later version"
            ],
        );
        check(
            r#"{"lsn":9,"lsn_commit":9,"messageType":"INSERT"}"#,
            &expect![
                "the offset names a change at 0/9, but not its txId: it was written by a version of Debezium before 2.0; run the connector once with a later version"
            ],
        );
        check(
            "[1]",
            &expect![
                "the offset names a change at 0/1, but not its messageType: it was written by a version of Debezium before 2.0; run the connector once with a later version"
            ],
        );
    }
}
