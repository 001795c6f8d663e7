//! Help of the command for outboxes.

use expect_test::expect;

use super::check_help;

#[test]
fn help_of_outbox() {
    check_help(
        &["outbox"],
        &expect![[r#"
        Move polled outboxes to the WAL: move

        Usage: walcast outbox [OPTIONS] <COMMAND>

        Commands:
          move  Stream the outboxes of a stopped connector that polls, from one position on; no event is
                lost or sent twice
          help  Print this message or the help of the given subcommand(s)

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
          walcast outbox move --config polling.toml --to streaming.toml --dry-run
          walcast outbox move --config polling.toml --to streaming.toml

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
fn help_of_outbox_move() {
    check_help(
        &["outbox", "move"],
        &expect![[r#"
            Stream the outboxes of a stopped connector that polls, from one position on; no event is lost or
            sent twice

            Creates slot and publication where they are missing, sends the events of the rows that committed
            before a position of the WAL, marks the rows, and writes the first checkpoint, at that position.
            Writers are not held up. Both configurations have the same name, and the same outboxes, with source
            = "poll" in the first and without it in the second. Afterwards, start the connector with the second
            configuration; the first one is rejected from then on. A command that was interrupted can be
            repeated, or the connector can poll again.

            Usage: walcast outbox move [OPTIONS] --to <FILE>

            Options:
                  --to <FILE>
                      The configuration that streams the outboxes

                  --config <FILE>
                      The configuration file

                      [env: WALCAST_CONFIG=]
                      [default: walcast.toml]

                  --dry-run
                      Check whether the outboxes can be moved, and show their backlog; change nothing

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
              walcast outbox move --config polling.toml --to streaming.toml --dry-run    check, and change
              nothing
              walcast outbox move --config polling.toml --to streaming.toml
              walcast run --config streaming.toml

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
