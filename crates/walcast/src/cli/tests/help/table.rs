//! Help of the command for captured tables.

use expect_test::expect;

use super::check_help;

#[test]
fn help_of_table() {
    check_help(
        &["table"],
        &expect![[r#"
        Show the state of each captured table, or resume quarantined tables: list, resume

        Sends requests to the running connector at its admin.listen address. While no connector runs,
        `check` lists quarantined tables, and `resume` changes the checkpoint, for the next start.

        Usage: walcast table [OPTIONS] <COMMAND>

        Commands:
          list    List the captured tables with their states
          resume  Deliver changes of quarantined tables again, and read their rows, after the cause is fixed
          help    Print this message or the help of the given subcommand(s)

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
          walcast table list
          walcast table resume public.prices

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
fn help_of_table_resume() {
    check_help(
        &["table", "resume"],
        &expect![[r#"
        Deliver changes of quarantined tables again, and read their rows, after the cause is fixed

        Changes that were skipped are not delivered: the current rows of the table take their place. Rows
        that were deleted in the meantime stay in the topic. The running connector does it at once, a
        stopped one at its next start.

        Usage: walcast table resume [OPTIONS] <PATTERN>...

        Arguments:
          <PATTERN>...
                  Pattern over schema.table of quarantined tables

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
          walcast table resume public.prices
          walcast table resume 'public.*'

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
