//! Help of the command that writes architecture decision records.

use expect_test::expect;

use super::check_help;

#[test]
fn help_of_adr() {
    check_help(
        &["adr"],
        &expect![[r#"
            Write an architecture decision record about the connector, in Markdown

            The record names the stores and which of them is primary, the derived topics, the guarantees of
            delivery, and the settings of schemas, snapshots, lag, verification and replay. The checkpoint, the
            running connector and the schema registry are asked for tables, states and compatibility levels; the
            record says which of them gave no answer. It contains no secrets, and is the same as long as
            configuration and answers are the same. Texts in square brackets are left to the authors.

            Usage: walcast adr [OPTIONS]

            Options:
                  --config <FILE>
                      The configuration file

                      [env: WALCAST_CONFIG=]
                      [default: walcast.toml]

                  --offline
                      Ask no server

                  --output <FILE>
                      Write to this file instead of stdout

                  --force
                      Overwrite the file if it exists

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
              walcast adr
              walcast adr --output docs/adr/0007-changes-of-orders.md
              walcast adr --offline                         from the configuration alone

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
