//! Help of the commands that stream, or check whether streaming can begin.

use expect_test::expect;

use super::check_help;

#[test]
fn help_of_run() {
    check_help(
        &["run"],
        &expect![[r#"
            Stream every committed change into Kafka until stopped

            Checks all preconditions, creates missing publication, slot and topics, and resumes at the
            checkpoint in Kafka. SIGTERM or SIGINT stops the connector cleanly. A second instance with the same
            name is a standby: it takes over when the first instance ends.

            Usage: walcast run [OPTIONS]

            Options:
                  --config <FILE>
                      The configuration file

                      [env: WALCAST_CONFIG=]
                      [default: walcast.toml]

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
              walcast run --config walcast.toml
              walcast run --log-format json --log-level debug
              curl -s http://127.0.0.1:8080/status      while it runs: state, positions, lag

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
fn help_of_check() {
    check_help(
        &["check"],
        &expect![[r#"
            Check every precondition of the connector, one line each, with the fix

            Nothing is created and a running connector is not disturbed, except by --fix.

            Usage: walcast check [OPTIONS]

            Options:
                  --config <FILE>
                      The configuration file

                      [env: WALCAST_CONFIG=]
                      [default: walcast.toml]

                  --json
                      Print JSON

                  --sql
                      Print only the SQL that an administrator has to run before the first start: privileges,
                      publication and slot, in order

                  --fix
                      Show that SQL, execute what the role of the connector may execute, and print the result of
                      each statement

                  --yes
                      Do not ask for confirmation

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
              walcast check --config walcast.toml
              walcast check --json | jq '.[] | select(.ok | not)'
              walcast check --sql | psql -d shop      as an administrator: what the connector may not create
              itself
              walcast check --fix                     the same, as far as the connector's own role may

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
fn help_of_tail() {
    check_help(
        &["tail"],
        &expect![[r#"
            Print changes as JSON lines, from any database URL, without Kafka or configuration

            Uses a temporary slot, which the server drops when the command ends, and a publication of its own
            unless one is named. Parameters missing in the URL are taken from the PG* variables and ~/.pgpass.
            Ctrl-C stops it.

            Usage: walcast tail [OPTIONS] [URL]

            Arguments:
              [URL]
                      The database, as postgres://user@host:port/database or as libpq's key=value pairs

            Options:
                  --table <PATTERN>
                      Tables to show, as schema.table, where * matches any characters; can be given several
                      times

                      [default: *.*]

                  --publication <NAME>
                      Stream this publication instead of selected tables

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
              walcast tail postgres://me@localhost/shop
              walcast tail postgres://me@localhost/shop --table public.orders --table 'sales.*'
              walcast tail postgres://me@localhost/shop --publication shop_changes | jq -c .after

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
