//! Help of the command that shows a running connector.

use expect_test::expect;

use super::check_help;

#[test]
fn help_of_top() {
    check_help(
        &["top"],
        &expect![[r#"
            Show state, positions, lag and rates of a running connector, updated in place

            Asks the connector at its admin.listen address. Keys: q quits, p pauses, n, r, c and d sort the
            tables by name, rate, changes and dead letters.

            Usage: walcast top [OPTIONS]

            Options:
                  --config <FILE>
                      The configuration file

                      [env: WALCAST_CONFIG=]
                      [default: walcast.toml]

                  --interval <TIME>
                      Time between two samples

                      [default: 1s]

                  --once
                      Print the state once and end; rates are those of one interval

                  --json
                      Print JSON

                  --url <URL>
                      Address of the admin port [default: admin.url, or the address in admin.listen]

                  --no-reconnect
                      End when the connector does not answer any more, instead of waiting for it

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
              walcast top
              walcast top --once                                          text, for a terminal without a screen
              walcast top --once --json | jq .lag_seconds                 for scripts

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
