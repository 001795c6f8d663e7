//! Help of the commands.

mod adr;
mod checkpoint;
mod first_contact;
mod outbox;
mod reading;
mod sql;
mod streaming;
mod table;
mod top;
mod upcast;
mod verify;

use clap::CommandFactory;
use clap::error::ErrorKind;
use expect_test::{Expect, expect};

use crate::cli::Cli;

/// Compares the help of a command; lines wrap at clap's width without a terminal, so the text is the same everywhere.
fn check_help(arguments: &[&str], expected: &Expect) {
    let all = ["walcast"].iter().chain(arguments).chain(&["--help"]);
    let error = Cli::command()
        .mut_args(|argument| argument.hide_env_values(true))
        .try_get_matches_from(all)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DisplayHelp);
    let text: String = error
        .to_string()
        .lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect();
    expected.assert_eq(&text);
}

#[test]
fn every_help_ends_with_examples_and_exit_codes() {
    fn visit(command: &clap::Command, path: &str) {
        let path = format!("{path} {}", command.get_name());
        let end = command
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        assert!(end.starts_with("Examples:\n  walcast"), "{path}: {end}");
        assert!(end.contains("\nExit codes:\n  0  done"), "{path}: {end}");
        command
            .get_subcommands()
            .for_each(|subcommand| visit(subcommand, &path));
    }
    visit(&Cli::command(), "");
}

#[test]
fn help_of_the_program() {
    check_help(
        &[],
        &expect![[r#"
            Change data capture from Postgres to Kafka: exactly once, in commit order

            Usage: walcast [OPTIONS] <COMMAND>

            Commands:
              init         Look at a database and write a commented configuration for it
              run          Stream every committed change into Kafka until stopped
              check        Check every precondition of the connector, one line each, with the fix
              top          Show state, positions, lag and rates of a running connector, updated in place
              tail         Print changes as JSON lines, from any database URL, without Kafka or configuration
              checkpoint   Show or move the position at which the connector resumes
              bookmark     Keep a position of the stream for a later replay: create, list, rewind, drop
              history      Show every change of one row, read back from its topic
              blame        Show each column of a row with the change that set its value
              explain      Explain a record: its position, transaction, schemas and times, and the other records
                           of its transaction
              snapshot     Read existing rows while changes are streamed: start, stop, pause, resume, status
              replay       Send stored changes again, beside the running connector: start, list, status, cancel
              verify       Compare the source with the topics at one position, and name the keys that differ
              adr          Write an architecture decision record about the connector, in Markdown
              consumers    Show the consumer groups of the topics: lag in records, in seconds and as an LSN
              table        Show the state of each captured table, or resume quarantined tables: list, resume
              dlq          Manage dead letters, the changes that could not be delivered: list, redeliver,
                           discard
              outbox       Move polled outboxes to the WAL: move
              upcast       Test the upcasters of event stores with the payloads in the configuration: test
              migrate      Take over from another connector: write its configuration, import its offset
              sql          Print SQL that applications can use: context
              completions  Print a script that completes walcast's command line in a shell
              help         Print this message or the help of the given subcommand(s)

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

              -V, --version
                      Print version

            Examples:
              walcast tail postgres://me@localhost/shop      see changes, no Kafka needed
              walcast init postgres://me@localhost/shop --brokers localhost:9092
              walcast check --config walcast.toml            is everything set up?
              walcast run --config walcast.toml              stream until stopped

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
fn help_of_completions() {
    check_help(
        &["completions"],
        &expect![[r#"
            Print a script that completes walcast's command line in a shell

            Usage: walcast completions [OPTIONS] <SHELL>

            Arguments:
              <SHELL>
                      The shell

                      [possible values: bash, elvish, fish, powershell, zsh]

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
              walcast completions bash > /etc/bash_completion.d/walcast
              walcast completions zsh > "${fpath[1]}/_walcast"
              walcast completions fish > ~/.config/fish/completions/walcast.fish

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
