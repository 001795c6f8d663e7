//! Tests of the command line: what is accepted, and the help.

mod help;

use clap::{CommandFactory, Parser};

use super::*;

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn rejects_invalid_command_lines_with_code_2() {
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
fn generates_a_script_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let shell: clap_complete::Shell = shell.parse().unwrap();
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "walcast", &mut script);
        let script = String::from_utf8(script).unwrap();
        assert!(
            script.contains("accept-gap") && script.contains("log-format"),
            "the script for {shell} is incomplete"
        );
    }
}
