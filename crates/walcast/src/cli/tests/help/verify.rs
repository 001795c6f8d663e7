//! Help of the command that compares the source with the topics.

use expect_test::expect;

use super::check_help;

#[test]
fn help_of_verify() {
    check_help(
        &["verify"],
        &expect![[r#"
        Compare the source with the topics at one position, and name the keys that differ

        Takes a snapshot of the source at a position L, waits until the checkpoint of the connector covers
        L, folds each topic to its newest record per key up to L, and compares. Neither writers nor the
        connector are stopped; no lock is taken beyond that of a SELECT. The outcome is appended to the
        topic `<topic_prefix>.walcast-verifications`.

        The exit code is 0 if both sides are identical, 1 if they differ, and 2 if it is undecided: some
        rows or tables could not be compared, or the checkpoint did not reach L in time.

        Usage: walcast verify [OPTIONS]

        Options:
              --config <FILE>
                  The configuration file

                  [env: WALCAST_CONFIG=]
                  [default: walcast.toml]

              --tables <PATTERN>
                  Only captured tables that match this pattern over schema.table, and those that share a
                  topic with them; can be given several times

              --where <CONDITION>
                  Only rows of the source that satisfy this condition; rows that only the topic has are not
                  looked for

              --independent
                  Compare with the text that Postgres prints, without the code that encodes records; columns
                  whose type has no exact text are not compared, and named. Needs Avro values

              --recheck <FILE>
                  Only the keys that an earlier `walcast verify --json` has listed in this file

              --rows-per-second <N>
                  Read at most so many rows of the source in a second

              --wait <DURATION>
                  How long the checkpoint of the connector may take to reach the position

                  [default: 2m]

              --limit <COUNT>
                  List at most so many differences of each kind for each topic

                  [default: 100]

              --no-certificate
                  Do not write the outcome to Kafka

              --repair
                  Have the running connector deliver the rows that differ once more, and compare them again:
                  rows of the source are read at their place in WAL order, and keys that no row has are
                  deleted there

              --dry-run
                  Only list what would be repaired

              --every <DURATION>
                  Compare at this interval until stopped; a failed comparison is logged, and the next one is
                  at its time

              --metrics-listen <ADDRESS>
                  Serve metrics of the comparisons at this address; [admin] applies, except for `listen` and
                  a stored token

              --json
                  Print JSON: the certificate and the differences

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
          walcast verify
          walcast verify --tables public.orders --where "placed >= '2024-01-01'"
          walcast verify --json > differences.json      and, later:
          walcast verify --recheck differences.json     only the keys that differed
          walcast verify --repair --dry-run             what would be repaired
          walcast verify --every 1h --metrics-listen 127.0.0.1:9187

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
