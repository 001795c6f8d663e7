//! Help of the commands that show or move the checkpoint.

use expect_test::expect;

use super::check_help;

#[test]
fn help_of_checkpoint() {
    check_help(
        &["checkpoint"],
        &expect![[r#"
            Show or move the position at which the connector resumes

            Usage: walcast checkpoint [OPTIONS] <COMMAND>

            Commands:
              show              Show the checkpoint; a running connector is not disturbed
              list              List the positions available for replay; a running connector is not disturbed
              at                Find the position of a time, and the offsets of the topics there; a running
                                connector is not disturbed
              set               Move a stopped connector: the next start resumes after LSN
              requests          List the snapshot requests in the checkpoint; a running connector is not
                                disturbed
              drop-requests     Drop snapshot requests from the checkpoint of a stopped connector
              accept-violation  Let a connector continue that has halted before an event which breaks the order
                                of its stream
              reset             Delete the checkpoint and its history: the next start is a first start
              help              Print this message or the help of the given subcommand(s)

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
              walcast checkpoint show                    position of the next start; safe while it runs
              walcast checkpoint list                    positions available for replay
              walcast checkpoint set 0/16B3748           resume there (stop the connector first)

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
fn help_of_checkpoint_list() {
    check_help(
        &["checkpoint", "list"],
        &expect![[r#"
            List the positions available for replay; a running connector is not disturbed

            Positions between those listed are available as well. replay.retention sets how far back they reach.

            Usage: walcast checkpoint list [OPTIONS]

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
              walcast checkpoint list
              walcast checkpoint list --json | jq -r '.positions[].end_lsn'

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
fn help_of_checkpoint_set() {
    check_help(
        &["checkpoint", "set"],
        &expect![[r#"
            Move a stopped connector: the next start resumes after LSN

            Transactions that end after LSN are delivered (again), each record with the same header walcast.id
            as before. LSN must lie between the slot's position and the last delivered position; otherwise it is
            rejected, and the error names the nearest position.

            Usage: walcast checkpoint set [OPTIONS] <LSN>

            Arguments:
              <LSN>
                      Position, in the format of Postgres

            Options:
                  --accept-gap
                      Accept that changes were missed, or were delivered although the server no longer has them

                  --accept-cluster
                      Accept a cluster that pg_upgrade made from the checkpoint's; LSN is its slot's position

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
              walcast checkpoint set 0/16B3748
              walcast checkpoint set 0/16B3748 --accept-gap      if a halt message says so
              walcast checkpoint set 0/16B3748 --accept-cluster  after pg_upgrade, at the slot's position

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
fn help_of_checkpoint_accept_violation() {
    check_help(
        &["checkpoint", "accept-violation"],
        &expect![[r#"
        Let a connector continue that has halted before an event which breaks the order of its stream

        The next start sends the event. It is for event stores with on_violation = "halt"; `checkpoint show`
        names the violation.

        Usage: walcast checkpoint accept-violation [OPTIONS]

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
          walcast checkpoint accept-violation
          walcast checkpoint accept-violation --json | jq -r .accepted.error

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
