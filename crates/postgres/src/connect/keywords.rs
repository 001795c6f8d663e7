//! `host=db user=walcast password='it\'s'`: libpq's keyword form of a connection string.

use super::conninfo_error::ConninfoError;

/// Parses `key=value` pairs: blanks around `=` are allowed, values may be in single quotes, `\` escapes.
pub(super) fn parse(text: &str) -> Result<Vec<(String, String)>, ConninfoError> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=').ok_or(ConninfoError::Malformed {
            problem: "neither a postgres:// URL nor key=value pairs",
        })?;
        let name = name.trim_end();
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(ConninfoError::Malformed {
                problem: "a parameter without '='",
            });
        }
        let (value, after) = value(after.trim_start())?;
        pairs.push((name.to_owned(), value));
        rest = after.trim_start();
    }
    Ok(pairs)
}

/// Value, and the text after it.
fn value(text: &str) -> Result<(String, &str), ConninfoError> {
    let quoted = text.strip_prefix('\'');
    let body = quoted.unwrap_or(text);
    let mut value = String::new();
    let mut characters = body.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            '\'' if quoted.is_some() => return Ok((value, body.get(at + 1..).unwrap_or_default())),
            blank if quoted.is_none() && blank.is_whitespace() => {
                return Ok((value, body.get(at..).unwrap_or_default()));
            }
            other => value.push(other),
        }
    }
    if quoted.is_some() {
        return Err(ConninfoError::Malformed {
            problem: "a quoted value has no closing quote",
        });
    }
    Ok((value, ""))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::parse;

    fn check(text: &str, expected: &Expect) {
        expected.assert_eq(&match parse(text) {
            Ok(pairs) => format!("{pairs:?}"),
            Err(error) => format!("error: {error}"),
        });
    }

    #[test]
    fn parses_pairs_as_libpq_does() {
        check("", &expect!["[]"]);
        check(
            " host=db  user = walcast ",
            &expect![[r#"[("host", "db"), ("user", "walcast")]"#]],
        );
        check(
            r"password='it\'s a \\' dbname=a\ b options=",
            &expect![[r#"[("password", "it's a \\"), ("dbname", "a b"), ("options", "")]"#]],
        );
        check("user='' host=db", &expect![[r#"[("user", ""), ("host", "db")]"#]]);
    }

    #[test]
    fn rejects_malformed_text() {
        check(
            "localhost",
            &expect![
                "error: the connection string is malformed: neither a postgres:// URL nor key=value pairs"
            ],
        );
        check(
            "host db=x",
            &expect!["error: the connection string is malformed: a parameter without '='"],
        );
        check(
            "password='x",
            &expect!["error: the connection string is malformed: a quoted value has no closing quote"],
        );
    }

    proptest! {
        #[test]
        fn any_value_can_be_quoted(value in any::<String>()) {
            let quoted = value.replace('\\', r"\\").replace('\'', r"\'");
            let pairs = parse(&format!("a='{quoted}' b=1")).unwrap();
            prop_assert_eq!(&pairs[0].1, &value);
            prop_assert_eq!(pairs.len(), 2);
        }
    }
}
