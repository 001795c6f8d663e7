//! Parser of Java's `.properties` files.
//!
//! See <https://docs.oracle.com/javase/8/docs/api/java/util/Properties.html#load-java.io.Reader->.

/// Error in a line.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub(crate) struct PropertiesError {
    /// Line number, from 1.
    line: usize,
    /// Description.
    problem: &'static str,
}

/// Parses `text` to pairs in the order of the file; pairs with the same name are all kept.
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

/// Splits a line at the separator, which is the first unescaped `=`, `:` or blank, with blanks around it.
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
    // Java's characters are UTF-16: a supplementary character is written as two escapes.
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
    String::from_utf16(&units).map_err(|_| "\\u escapes are not a valid character")
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
    fn names_and_values_are_split_as_in_java() {
        check(
            "a=1\nb : 2\n c 3\nd\n# comment\n! comment\n\ne = = x",
            &expect![[r#"[("a", "1"), ("b", "2"), ("c", "3"), ("d", ""), ("e", "= x")]"#]],
        );
        check(r"a\=b\:c = d\ e", &expect![[r#"[("a=b:c", "d e")]"#]]);
    }

    #[test]
    fn a_backslash_continues_a_line() {
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
            &expect![[r"line 1: \u escapes are not a valid character"]],
        );
    }
}
