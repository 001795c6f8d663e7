//! Help of the command for upcasters.

use expect_test::expect;

use super::check_help;

#[test]
fn help_of_upcast() {
    check_help(
        &["upcast"],
        &expect![[r#"
        Test the upcasters of event stores with the payloads in the configuration: test

        No server is asked.

        Usage: walcast upcast [OPTIONS] <COMMAND>

        Commands:
          test  Upcast the payload of each test, and print what differs from the one that is expected
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
          walcast upcast test
          walcast upcast test shop.toml

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
fn help_of_upcast_test() {
    check_help(
        &["upcast", "test"],
        &expect![[r#"
        Upcast the payload of each test, and print what differs from the one that is expected

        Usage: walcast upcast test [OPTIONS] [FILE]

        Arguments:
          [FILE]
                  The configuration file, instead of that of --config

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
          walcast upcast test
          walcast upcast test shop.toml
          walcast upcast test --json | jq '.[] | select(.passed | not)'

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
