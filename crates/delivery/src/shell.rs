//! Shell quoting for commands that are printed for users. A command pasted into a shell passes exactly the intended
//! arguments and runs nothing else, whatever characters a name contains.

use std::fmt::Write;

/// Quotes a text as a single word of a POSIX shell, always in quotes and on one line.
#[must_use]
pub fn quoted(text: &str) -> String {
    if !text.chars().any(is_written_out) {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    // Control characters would be valid between quotes, but terminals and log viewers do not preserve them.
    let mut octal = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b' ' | b'.' | b'_' => octal.push(char::from(byte)),
            other => write!(octal, "\\{other:03o}").expect("writing to a string cannot fail"),
        }
    }
    format!("\"$(printf '{octal}')\"")
}

/// Whether a character is escaped in printed commands: control characters and directional formatting characters.
fn is_written_out(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// Formats an option with its value. A value that begins with a hyphen is joined to the option with `=`.
#[must_use]
pub fn option(name: &str, value: &str) -> String {
    let between = if value.starts_with('-') { '=' } else { ' ' };
    format!("{name}{between}{}", quoted(value))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    /// Arguments that a program receives for a command line.
    fn arguments(line: &str) -> Vec<String> {
        let output = Command::new("sh")
            .args(["-c", &format!("printf '%s\\0' {line}")])
            .output()
            .unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_terminator('\0').map(str::to_owned).collect()
    }

    #[test]
    fn a_shell_passes_names_unchanged() {
        for name in [
            "orders",
            "it's",
            "'",
            "''; touch x; '",
            "a b",
            "$(touch x)",
            "`touch x`",
            "$HOME",
            "a\nb",
            "a\r\tb'\u{1b}[31m",
            "\\",
            "\\n",
            "*",
            "größe 名前\u{202e}",
            "\"a\nb\"\"c\"",
            "100%s\n%d",
            "!x",
            "",
        ] {
            assert_eq!(arguments(&quoted(name)), [name], "{}", quoted(name));
        }
    }

    #[test]
    fn a_value_is_never_parsed_as_an_option() {
        assert_eq!(option("--id", "0/1/2"), "--id '0/1/2'");
        assert_eq!(arguments(&option("--id", "-rf /")), ["--id=-rf /"]);
        assert_eq!(arguments(&option("--id", "a b")), ["--id", "a b"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_table_pattern_is_one_argument(name in "[^\u{0}]{0,12}") {
            // Same format as `TableName::as_pattern`; a shell strips line breaks only at the very end.
            let pattern = format!("\"public\".\"{}\"", name.replace('"', "\"\""));
            let printed = quoted(&pattern);
            prop_assert!(!printed.chars().any(is_written_out));
            prop_assert_eq!(arguments(&printed), vec![pattern]);
        }
    }
}
