use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use expect_test::{Expect, expect};

use super::*;

/// What a command prints; long lines are cut at clap's width for no terminal, so that the text is the same everywhere.
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
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
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
fn help() {
    check_help(
        &[],
        &expect![[r#"
            Change data capture from Postgres to Kafka: exactly once, in commit order

            Usage: walcast [OPTIONS] <COMMAND>

            Commands:
              run          Stream every committed change into Kafka until stopped
              check        Check everything that must hold before the connector can run, one line each, with the
                           fix
              tail         Print changes as JSON lines, from any database URL, without Kafka or configuration
              checkpoint   Show or move the position where the connector goes on
              snapshot     Read existing rows while changes are streamed: start, stop, pause, resume, status
              dlq          Deal with the changes that could not be delivered and were kept as dead letters:
                           list, retry, done
              migrate      Write a configuration from that of another connector
              take-over    Go on where a stopped Debezium connector ended, on its slot
              completions  Print a script that completes walcast's command line in a shell
              help         Print this message or the help of the given subcommand(s)

            Options:
                  --log-format <FORMAT>
                      How log lines look [default: log.format, or human]

                      Possible values:
                      - human: For people
                      - json:  One JSON object a line

                  --log-level <LEVEL>
                      What is logged: error, warn, info, debug, trace, or a list as in RUST_LOG [default:
                      RUST_LOG, log.level, or info]

              -h, --help
                      Print help (see a summary with '-h')

              -V, --version
                      Print version

            Examples:
              walcast tail postgres://me@localhost/shop      see changes, no Kafka needed
              walcast check --config walcast.toml            is everything set up?
              walcast run --config walcast.toml              stream until stopped

            Exit codes:
              0  done, or stopped by SIGTERM or SIGINT
              1  a check failed, or what was asked for was refused
              2  the command line or the configuration is wrong
              3  halted: going on could lose or double changes; the message says what to do
              4  another instance with the same name has taken over
              5  a server could not be reached, or something else failed
              6  migrate: written, but something has no counterpart; dlq retry: some dead letters are left
              128 + n  ended at once by a second signal n
        "#]],
    );
    check_help(
        &["run"],
        &expect![[r#"
            Stream every committed change into Kafka until stopped

            Looks at everything first, creates publication, slot and topics that are missing, and goes on where
            the checkpoint in Kafka says. SIGTERM or SIGINT ends it in good order. A second instance with the
            same name waits and takes over when the first is gone.

            Usage: walcast run [OPTIONS]

            Options:
                  --config <FILE>
                      The configuration file

                      [env: WALCAST_CONFIG=]
                      [default: walcast.toml]

                  --log-format <FORMAT>
                      How log lines look [default: log.format, or human]

                      Possible values:
                      - human: For people
                      - json:  One JSON object a line

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
              1  a check failed, or what was asked for was refused
              2  the command line or the configuration is wrong
              3  halted: going on could lose or double changes; the message says what to do
              4  another instance with the same name has taken over
              5  a server could not be reached, or something else failed
              6  migrate: written, but something has no counterpart; dlq retry: some dead letters are left
              128 + n  ended at once by a second signal n
        "#]],
    );
    check_help(
        &["check"],
        &expect![[r#"
            Check everything that must hold before the connector can run, one line each, with the fix

            Nothing is created and a running connector is not disturbed.

            Usage: walcast check [OPTIONS]

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
                      - human: For people
                      - json:  One JSON object a line

                  --log-level <LEVEL>
                      What is logged: error, warn, info, debug, trace, or a list as in RUST_LOG [default:
                      RUST_LOG, log.level, or info]

              -h, --help
                      Print help (see a summary with '-h')

            Examples:
              walcast check --config walcast.toml
              walcast check --json | jq '.[] | select(.ok | not)'

            Exit codes:
              0  done, or stopped by SIGTERM or SIGINT
              1  a check failed, or what was asked for was refused
              2  the command line or the configuration is wrong
              3  halted: going on could lose or double changes; the message says what to do
              4  another instance with the same name has taken over
              5  a server could not be reached, or something else failed
              6  migrate: written, but something has no counterpart; dlq retry: some dead letters are left
              128 + n  ended at once by a second signal n
        "#]],
    );
    check_help(
        &["tail"],
        &expect![[r#"
            Print changes as JSON lines, from any database URL, without Kafka or configuration

            Uses a temporary slot, which the server drops when the command ends, and a publication of its own
            unless one is named. What the URL leaves out comes from the PG* variables and ~/.pgpass. Ctrl-C ends
            it.

            Usage: walcast tail [OPTIONS] [URL]

            Arguments:
              [URL]
                      The database, as postgres://user@host:port/database or as libpq's key=value pairs

            Options:
                  --table <PATTERN>
                      Tables to show, as schema.table, where * stands for any characters; may be given several
                      times

                      [default: *.*]

                  --publication <NAME>
                      Stream what this publication publishes instead of choosing tables

                  --log-format <FORMAT>
                      How log lines look [default: log.format, or human]

                      Possible values:
                      - human: For people
                      - json:  One JSON object a line

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
              1  a check failed, or what was asked for was refused
              2  the command line or the configuration is wrong
              3  halted: going on could lose or double changes; the message says what to do
              4  another instance with the same name has taken over
              5  a server could not be reached, or something else failed
              6  migrate: written, but something has no counterpart; dlq retry: some dead letters are left
              128 + n  ended at once by a second signal n
        "#]],
    );
    check_help(
        &["checkpoint"],
        &expect![[r#"
            Show or move the position where the connector goes on

            Usage: walcast checkpoint [OPTIONS] <COMMAND>

            Commands:
              show   Show the checkpoint; a running connector is not disturbed
              list   List the positions that can be replayed from; a running connector is not disturbed
              set    Move a stopped connector: the next start goes on after LSN
              reset  Delete the checkpoint and its history: the next start begins as if it were the first
              help   Print this message or the help of the given subcommand(s)

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
                      - human: For people
                      - json:  One JSON object a line

                  --log-level <LEVEL>
                      What is logged: error, warn, info, debug, trace, or a list as in RUST_LOG [default:
                      RUST_LOG, log.level, or info]

              -h, --help
                      Print help (see a summary with '-h')

            Examples:
              walcast checkpoint show                    where it goes on, without disturbing it
              walcast checkpoint list                    positions that can be replayed from
              walcast checkpoint set 0/16B3748           go on from there (stop the connector first)

            Exit codes:
              0  done, or stopped by SIGTERM or SIGINT
              1  a check failed, or what was asked for was refused
              2  the command line or the configuration is wrong
              3  halted: going on could lose or double changes; the message says what to do
              4  another instance with the same name has taken over
              5  a server could not be reached, or something else failed
              6  migrate: written, but something has no counterpart; dlq retry: some dead letters are left
              128 + n  ended at once by a second signal n
        "#]],
    );
    check_help(
        &["checkpoint", "list"],
        &expect![[r#"
            List the positions that can be replayed from; a running connector is not disturbed

            Positions between those listed can be replayed from as well. How far back they reach is set by
            replay.keep.

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
                      - human: For people
                      - json:  One JSON object a line

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
              1  a check failed, or what was asked for was refused
              2  the command line or the configuration is wrong
              3  halted: going on could lose or double changes; the message says what to do
              4  another instance with the same name has taken over
              5  a server could not be reached, or something else failed
              6  migrate: written, but something has no counterpart; dlq retry: some dead letters are left
              128 + n  ended at once by a second signal n
        "#]],
    );
    check_help(
        &["checkpoint", "set"],
        &expect![[r#"
            Move a stopped connector: the next start goes on after LSN

            Transactions that end after LSN are delivered (again), each record with the same header walcast.id
            as before. LSN must lie between the slot's position and what was delivered last; otherwise it is
            refused, and the nearest position is named.

            Usage: walcast checkpoint set [OPTIONS] <LSN>

            Arguments:
              <LSN>
                      The position, as Postgres prints it

            Options:
                  --accept-gap
                      Accept that changes were missed, or delivered though the server no longer has them

                  --config <FILE>
                      The configuration file

                      [env: WALCAST_CONFIG=]
                      [default: walcast.toml]

                  --json
                      Print JSON

                  --log-format <FORMAT>
                      How log lines look [default: log.format, or human]

                      Possible values:
                      - human: For people
                      - json:  One JSON object a line

                  --log-level <LEVEL>
                      What is logged: error, warn, info, debug, trace, or a list as in RUST_LOG [default:
                      RUST_LOG, log.level, or info]

              -h, --help
                      Print help (see a summary with '-h')

            Examples:
              walcast checkpoint set 0/16B3748
              walcast checkpoint set 0/16B3748 --accept-gap      after a halt that says so

            Exit codes:
              0  done, or stopped by SIGTERM or SIGINT
              1  a check failed, or what was asked for was refused
              2  the command line or the configuration is wrong
              3  halted: going on could lose or double changes; the message says what to do
              4  another instance with the same name has taken over
              5  a server could not be reached, or something else failed
              6  migrate: written, but something has no counterpart; dlq retry: some dead letters are left
              128 + n  ended at once by a second signal n
        "#]],
    );
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
                      - human: For people
                      - json:  One JSON object a line

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
              1  a check failed, or what was asked for was refused
              2  the command line or the configuration is wrong
              3  halted: going on could lose or double changes; the message says what to do
              4  another instance with the same name has taken over
              5  a server could not be reached, or something else failed
              6  migrate: written, but something has no counterpart; dlq retry: some dead letters are left
              128 + n  ended at once by a second signal n
        "#]],
    );
}

#[test]
fn wrong_command_lines_are_refused_with_code_2() {
    for arguments in [
        &["walcast"][..],
        &["walcast", "fly"],
        &["walcast", "run", "--confg", "x"],
        &["walcast", "checkpoint", "set", "12"],
        &["walcast", "completions", "tcsh"],
        &["walcast", "run", "--log-format", "xml"],
    ] {
        let error = Cli::try_parse_from(arguments).unwrap_err();
        assert_eq!(
            error.exit_code(),
            i32::from(Exit::Usage.code()),
            "{arguments:?}: {error}"
        );
    }
}

#[test]
fn every_shell_gets_a_script() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let shell: clap_complete::Shell = shell.parse().unwrap();
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "walcast", &mut script);
        let script = String::from_utf8(script).unwrap();
        assert!(
            script.contains("accept-gap") && script.contains("log-format"),
            "{shell} knows too little"
        );
    }
}
