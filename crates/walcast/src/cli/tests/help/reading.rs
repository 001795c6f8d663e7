//! Help of the commands that read topics back.

use expect_test::expect;

use super::check_help;

#[test]
fn help_of_history() {
    check_help(
        &["history"],
        &expect![[r#"
        Show every change of one row, read back from its topic

        Each change is compared with the row before it: old and new value of each column, commit time,
        position, transaction id, and headers with context. Where the key of the row was updated, its
        changes under the other keys are shown too. Only the partition of the key is read. Notes say what
        makes the history incomplete, such as retention or compaction.

        Usage: walcast history [OPTIONS] <TABLE> <KEY>

        Arguments:
          <TABLE>
                  The table, as schema.table

          <KEY>
                  The key: a value, or column=value for each column, separated by commas; quotes ('…')
                  around values with commas

        Options:
              --config <FILE>
                  The configuration file

                  [env: WALCAST_CONFIG=]
                  [default: walcast.toml]

              --from <LSN|TIME>
                  Only changes of transactions that committed at this LSN or time or later; the values
                  before them are not read

              --to <LSN|TIME>
                  Only changes of transactions that committed at this LSN or time or before

              --columns <COLUMNS>
                  Only these columns, and the changes that changed one of them

              --at <LSN|TIME>
                  Print the row as it was after all transactions that committed up to this LSN or time

              --json
                  Print JSON

              --log-format <FORMAT>
                  How log lines look [default: log.format, or human]

                  Possible values:
                  - human: Human-readable lines
                  - json:  One JSON object per line

              --log-level <LEVEL>
                  What is logged: error, warn, info, debug, trace, or a list as in RUST_LOG [default:
                  RUST_LOG, log.level, or info]

          -h, --help
                  Print help (see a summary with '-h')

        Examples:
          walcast history public.orders 8471
          walcast history public.stock id=8471,region=eu --columns amount
          walcast history public.orders 8471 --from 2026-12-01 --to 2026-12-02T10:00:00Z
          walcast history public.orders 8471 --at 0/16B3748      the row as it was at that position
          walcast history public.orders 8471 --json | jq '.changes[].changed.total'

        Exit codes:
          0  done, or stopped by SIGTERM or SIGINT
          1  a check failed, or the request was rejected
          2  the command line or the configuration is wrong
          3  halted: continuing could lose, duplicate or skip changes; the message says what to do
          4  another instance with the same name has taken over
          5  a server could not be reached, or something else failed; a restart may help
          6  migrate: written, but settings have no counterpart; dlq redeliver: some dead letters remain
          7  a server rejects a connection or a request for good; the message says what to do
          128 + n  terminated immediately by a second signal n
    "#]],
    );
}

#[test]
fn help_of_blame() {
    check_help(
        &["blame"],
        &expect![[r#"
        Show each column of a row with the change that set its value

        For each column: the value, and commit time, position, transaction id and context of the change that
        set it last. "or earlier": the change is the first in the topic that has the value.

        Usage: walcast blame [OPTIONS] <TABLE> <KEY>

        Arguments:
          <TABLE>
                  The table, as schema.table

          <KEY>
                  The key: a value, or column=value for each column, separated by commas; quotes ('…')
                  around values with commas

        Options:
              --config <FILE>
                  The configuration file

                  [env: WALCAST_CONFIG=]
                  [default: walcast.toml]

              --json
                  Print JSON

              --log-format <FORMAT>
                  How log lines look [default: log.format, or human]

                  Possible values:
                  - human: Human-readable lines
                  - json:  One JSON object per line

              --log-level <LEVEL>
                  What is logged: error, warn, info, debug, trace, or a list as in RUST_LOG [default:
                  RUST_LOG, log.level, or info]

          -h, --help
                  Print help (see a summary with '-h')

        Examples:
          walcast blame public.orders 8471
          walcast blame public.stock id=8471,region=eu
          walcast blame public.orders 8471 --json | jq '.columns.total.change.committed_at'

        Exit codes:
          0  done, or stopped by SIGTERM or SIGINT
          1  a check failed, or the request was rejected
          2  the command line or the configuration is wrong
          3  halted: continuing could lose, duplicate or skip changes; the message says what to do
          4  another instance with the same name has taken over
          5  a server could not be reached, or something else failed; a restart may help
          6  migrate: written, but settings have no counterpart; dlq redeliver: some dead letters remain
          7  a server rejects a connection or a request for good; the message says what to do
          128 + n  terminated immediately by a second signal n
    "#]],
    );
}

#[test]
fn help_of_explain() {
    check_help(
        &["explain"],
        &expect![[r#"
        Explain a record: its position, transaction, schemas and times, and the other records of its
        transaction

        The record is named by its place in Kafka, by its header walcast.id, or by the LSN of the commit
        record of its transaction. What neither the record nor the topics contain is left out. A running
        connector is not disturbed.

        Usage: walcast explain [OPTIONS] <TARGET>

        Arguments:
          <TARGET>
                  TOPIC/PARTITION/OFFSET, an LSN, or a walcast.id

        Options:
              --config <FILE>
                  The configuration file

                  [env: WALCAST_CONFIG=]
                  [default: walcast.toml]

              --json
                  Print JSON

              --log-format <FORMAT>
                  How log lines look [default: log.format, or human]

                  Possible values:
                  - human: Human-readable lines
                  - json:  One JSON object per line

              --log-level <LEVEL>
                  What is logged: error, warn, info, debug, trace, or a list as in RUST_LOG [default:
                  RUST_LOG, log.level, or info]

          -h, --help
                  Print help (see a summary with '-h')

        Examples:
          walcast explain shop.public.orders/0/12
          walcast explain 0/16B3748/5                  by its walcast.id
          walcast explain 0/16B3748                    every record of the transaction
          walcast explain shop.public.orders/0/12 --json | jq .checkpoint

        Exit codes:
          0  done, or stopped by SIGTERM or SIGINT
          1  a check failed, or the request was rejected
          2  the command line or the configuration is wrong
          3  halted: continuing could lose, duplicate or skip changes; the message says what to do
          4  another instance with the same name has taken over
          5  a server could not be reached, or something else failed; a restart may help
          6  migrate: written, but settings have no counterpart; dlq redeliver: some dead letters remain
          7  a server rejects a connection or a request for good; the message says what to do
          128 + n  terminated immediately by a second signal n
    "#]],
    );
}

#[test]
fn help_of_checkpoint_at() {
    check_help(
        &["checkpoint", "at"],
        &expect![[r#"
        Find the position of a time, and the offsets of the topics there; a running connector is not
        disturbed

        A consumer group whose offsets are reset to these offsets reads every transaction that committed at
        that time or position or later again, and none before it. The topics are read; neither Postgres nor
        WAL is needed.

        Usage: walcast checkpoint at [OPTIONS] <LSN|TIME>

        Arguments:
          <LSN|TIME>
                  An LSN such as 0/16B3748, or a time such as 2026-12-01T10:00:00Z

        Options:
              --offsets <FORMAT>
                  Print the offsets only: csv is the form of kafka-consumer-groups --reset-offsets
                  --from-file

                  Possible values:
                  - csv:  One line for each partition: topic,partition,offset
                  - json: As --json

              --tables <PATTERN>
                  Only topics of tables that match this pattern over schema.table; can be given several
                  times

              --config <FILE>
                  The configuration file

                  [env: WALCAST_CONFIG=]
                  [default: walcast.toml]

              --json
                  Print JSON

              --log-format <FORMAT>
                  How log lines look [default: log.format, or human]

                  Possible values:
                  - human: Human-readable lines
                  - json:  One JSON object per line

              --log-level <LEVEL>
                  What is logged: error, warn, info, debug, trace, or a list as in RUST_LOG [default:
                  RUST_LOG, log.level, or info]

          -h, --help
                  Print help (see a summary with '-h')

        Examples:
          walcast checkpoint at 2026-12-01T10:00:00Z
          walcast checkpoint at 0/16B3748 --tables public.orders
          walcast checkpoint at 2026-12-01T10:00:00Z --offsets csv > offsets.csv
          kafka-consumer-groups.sh --bootstrap-server kafka:9092 --group billing --reset-offsets --from-file
          offsets.csv --execute

        Exit codes:
          0  done, or stopped by SIGTERM or SIGINT
          1  a check failed, or the request was rejected
          2  the command line or the configuration is wrong
          3  halted: continuing could lose, duplicate or skip changes; the message says what to do
          4  another instance with the same name has taken over
          5  a server could not be reached, or something else failed; a restart may help
          6  migrate: written, but settings have no counterpart; dlq redeliver: some dead letters remain
          7  a server rejects a connection or a request for good; the message says what to do
          128 + n  terminated immediately by a second signal n
    "#]],
    );
}
