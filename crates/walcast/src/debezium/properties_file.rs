//! Java's `.properties` files.
//!
//! See <https://docs.oracle.com/javase/8/docs/api/java/util/Properties.html#load-java.io.Reader->.

/// A line that cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub(crate) struct PropertiesError {
    /// Its number, from 1.
    line: usize,
    /// What is wrong with it.
    problem: &'static str,
}

/// Reads `text`: pairs in the order of the file; a later pair of the same name does not replace an earlier one here.
pub(crate) fn parse(text: &str) -> Result<Vec<(String, String)>, PropertiesError> {
    let mut pairs = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let line = line.trim_start_matches(BLANKS);
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = line.to_owned();
        while continues(&logical) {
            logical.pop();
            let Some((_, more)) = lines.next() else { break };
            logical.push_str(more.trim_start_matches(BLANKS));
        }
        let failed = |problem| PropertiesError {
            line: number + 1,
            problem,
        };
        pairs.push(pair(&logical).map_err(failed)?);
    }
    Ok(pairs)
}

const BLANKS: [char; 3] = [' ', '\t', '\u{c}'];

/// Whether a line ends with a backslash that is not itself escaped.
fn continues(line: &str) -> bool {
    let backslashes = line.chars().rev().take_while(|last| *last == '\\').count();
    backslashes % 2 == 1
}

/// A name ends at the first `=`, `:` or blank that is not escaped; one `=` or `:` with blanks around it belongs to neither.
fn pair(line: &str) -> Result<(String, String), &'static str> {
    let mut escaped = false;
    let end = line.find(|character: char| {
        let ends = !escaped && (BLANKS.contains(&character) || ['=', ':'].contains(&character));
        escaped = !escaped && character == '\\';
        ends
    });
    let (name, rest) = line.split_at(end.unwrap_or(line.len()));
    let rest = rest.trim_start_matches(BLANKS);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    Ok((unescape(name)?, unescape(rest.trim_start_matches(BLANKS))?))
}

fn unescape(text: &str) -> Result<String, &'static str> {
    // Java's characters are UTF-16: what lies beyond comes as two escapes.
    let mut units: Vec<u16> = Vec::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let plain = match character {
            '\\' => match characters.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\u{c}',
                Some('u') => {
                    let digits: String = characters.by_ref().take(4).collect();
                    let unit = (digits.len() == 4)
                        .then(|| u16::from_str_radix(&digits, 16).ok())
                        .flatten();
                    units.push(unit.ok_or("\\u is not followed by four hexadecimal digits")?);
                    continue;
                }
                Some(other) => other,
                None => break,
            },
            other => other,
        };
        units.extend_from_slice(plain.encode_utf16(&mut [0; 2]));
    }
    String::from_utf16(&units).map_err(|_| "\\u escapes that make no character")
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::parse;

    fn check(text: &str, expected: &Expect) {
        expected.assert_eq(&match parse(text) {
            Ok(pairs) => format!("{pairs:?}"),
            Err(error) => error.to_string(),
        });
    }

    #[test]
    fn names_and_values_are_told_apart_as_java_does() {
        check(
            "a=1\nb : 2\n c 3\nd\n# comment\n! comment\n\ne = = x",
            &expect![[r#"[("a", "1"), ("b", "2"), ("c", "3"), ("d", ""), ("e", "= x")]"#]],
        );
        check(r"a\=b\:c = d\ e", &expect![[r#"[("a=b:c", "d e")]"#]]);
    }

    #[test]
    fn lines_go_on_after_a_backslash() {
        check(
            "a = x,\\\n    y\nb=c\\\\\nd=e",
            &expect![[r#"[("a", "x,y"), ("b", "c\\"), ("d", "e")]"#]],
        );
        check("a=b\\", &expect![[r#"[("a", "b")]"#]]);
    }

    #[test]
    fn escapes_are_resolved() {
        check(
            r"tables=public\\.orders,\u00e4\ud83d\ude00\q",
            &expect![[r#"[("tables", "public\\.orders,ä😀q")]"#]],
        );
        check(
            "a=1\nb=\\u12",
            &expect![[r"line 2: \u is not followed by four hexadecimal digits"]],
        );
        check(
            "b=\\ud83d",
            &expect![[r"line 1: \u escapes that make no character"]],
        );
    }
}
