//! Help of the command that writes a configuration.

use expect_test::expect;

use super::check_help;

#[test]
fn help_of_init() {
    check_help(
        &["init"],
        &expect![[r#"
            Look at a database and write a commented configuration for it

            The file names the schemas that have tables, and says in comments what needs a decision: tables
            without replica identity, large tables, types with several forms, partitions, settings of the
            server, and the SQL that an administrator runs once. Nothing is created in the database, and no
            password is written.

            Usage: walcast init [OPTIONS] --brokers <HOSTS> <URL>

            Arguments:
              <URL>
                      The database, as postgres://user@host:port/database or as libpq's key=value pairs

            Options:
                  --brokers <HOSTS>
                      Bootstrap addresses of Kafka, host:port, separated by commas

                  --registry <URL>
                      Address of the schema registry; without it, records are JSON

                  --name <NAME>
                      Name of the connector [default: from the name of the database]

                  --output <FILE>
                      Write to this file; - is stdout

                      [default: walcast.toml]

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
              walcast init postgres://walcast@db/shop --brokers kafka:9092 --registry http://registry:8081
              walcast init postgres://walcast@db/shop --brokers kafka:9092 --output -      to stdout
              walcast check                                   says what is left to do

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
