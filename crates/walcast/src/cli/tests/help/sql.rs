//! Help of the command that prints SQL.

use expect_test::expect;

use super::check_help;

#[test]
fn help_of_sql() {
    check_help(
        &["sql"],
        &expect![[r#"
        Print SQL that applications can use: context

        Nothing is executed, and no configuration is read.

        Usage: walcast sql [OPTIONS] <COMMAND>

        Commands:
          context  Functions by which transactions get a context: who changed the rows, and why
          help     Print this message or the help of the given subcommand(s)

        Options:
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
          walcast sql context | psql -d shop

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
fn help_of_sql_context() {
    check_help(
        &["sql", "context"],
        &expect![[r#"
            Functions by which transactions get a context: who changed the rows, and why

            set_context(jsonb) sets the context of the transaction. A trigger with send_context() takes it from
            SET LOCAL walcast.context, or from a comment of sqlcommenter, so that the application does not have
            to call anything.

            Usage: walcast sql context [OPTIONS]

            Options:
                  --schema <NAME>
                      Schema of the functions, which is created if it does not exist

                      [default: walcast]

                  --remove
                      Print the SQL that removes the functions and their triggers

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
              walcast sql context | psql -d shop
              walcast sql context --schema audit | psql -d shop
              walcast sql context --remove | psql -d shop      with the triggers

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
