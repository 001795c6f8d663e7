//! Helper programs that are run to their end: `mvn`, `tar`, `initdb`, Kafka's storage tool.

use std::process::Command;

use crate::error::{Error, Result};

/// How much of a failed command's output an error carries, in bytes.
const OUTPUT_SHOWN_BYTES: usize = 2000;

/// Runs a command to its end; its output is shown only in the error.
///
/// # Errors
/// [`Error::MissingTool`] if the program is not installed, [`Error::CommandFailed`] if it ends with a failure.
pub(crate) fn run(mut command: Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|source| missing_or_failed(&program, source))?;
    if output.status.success() {
        return Ok(());
    }
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    let first_argument = command
        .get_args()
        .next()
        .map(|argument| argument.to_string_lossy().into_owned());
    Err(Error::CommandFailed {
        command: [program, first_argument.unwrap_or_default()].join(" "),
        status: output.status,
        output: end_of(text.trim(), OUTPUT_SHOWN_BYTES).to_owned(),
    })
}

/// The end of a text, at most `bytes_max` long, cut between characters.
pub(crate) fn end_of(text: &str, bytes_max: usize) -> &str {
    let mut from = text.len().saturating_sub(bytes_max);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text.get(from..).unwrap_or_default()
}

/// Turns "no such file" for a program that people install into what to install.
pub(crate) fn missing_or_failed(program: &str, source: std::io::Error) -> Error {
    let install = match program {
        "java" => {
            "install a Java runtime of version 17 or later (Debian: apt install openjdk-17-jre-headless)"
        }
        "mvn" => "install Apache Maven (Debian: apt install maven)",
        "tar" => "install tar (Debian: apt install tar)",
        "xz" => "install xz (Debian: apt install xz-utils)",
        "setpriv" => "install util-linux (Debian: apt install util-linux)",
        "chromium" => "install Chromium (Debian: apt install chromium)",
        "chromedriver" => "install ChromeDriver (Debian: apt install chromium-driver)",
        "npm" => "install npm (Debian: apt install npm)",
        _ => "",
    };
    let tools = [
        "java",
        "mvn",
        "tar",
        "xz",
        "setpriv",
        "chromium",
        "chromedriver",
        "npm",
    ];
    let tool = tools.into_iter().find(|tool| *tool == program);
    match tool {
        Some(tool) if source.kind() == std::io::ErrorKind::NotFound => Error::MissingTool { tool, install },
        _ => Error::Process {
            action: "start",
            program: program.to_owned(),
            source,
        },
    }
}

/// Finds out before a long download whether the programs are there at all.
pub(crate) fn require(tools: &[&'static str]) -> Result<()> {
    for tool in tools {
        let version = if *tool == "java" { "-version" } else { "--version" };
        let mut command = Command::new(tool);
        command.arg(version);
        run(command)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tool_says_what_to_install() {
        let not_found = || std::io::Error::from(std::io::ErrorKind::NotFound);
        let text = missing_or_failed("mvn", not_found()).to_string();
        assert_eq!(
            text,
            "mvn is not installed: install Apache Maven (Debian: apt install maven)"
        );
        assert!(matches!(
            missing_or_failed("/x/initdb", not_found()),
            Error::Process { .. }
        ));
    }

    #[test]
    fn a_failure_carries_the_output() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo why >&2; exit 3"]);
        let text = run(command).unwrap_err().to_string();
        assert!(text.contains("why") && text.contains("exit status: 3"), "{text}");
    }

    #[test]
    fn the_end_is_cut_between_characters() {
        assert_eq!(end_of("añb", 2), "b");
        assert_eq!(end_of("ab", 9), "ab");
    }
}
