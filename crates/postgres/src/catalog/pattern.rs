//! Which tables are meant: `schema.table`, with `*` for any characters.

use std::fmt;
use std::str::FromStr;

use walcast_mapper::TableName;

/// A pattern such as `public.*`, `sales.order_*` or `"Mixed Case"."with.dot"`. Unquoted text is folded to lower case, as
/// in SQL; inside quotes every character, `*` too, means itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TablePattern {
    text: String,
    namespace: String,
    name: String,
}

/// A text is no table pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a table pattern: {problem}")]
pub struct PatternError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl TablePattern {
    /// Whether the pattern chooses a table; the same tables that the server finds for it.
    #[must_use]
    pub fn matches(&self, table: &TableName) -> bool {
        like(&self.namespace, &table.namespace) && like(&self.name, &table.name)
    }

    /// The schema's part, as SQL `LIKE` understands it with `\` as the escape.
    pub(super) fn namespace_like(&self) -> &str {
        &self.namespace
    }

    /// The table's part, likewise.
    pub(super) fn name_like(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for TablePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for TablePattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let failed = |problem| PatternError {
            text: text.to_owned(),
            problem,
        };
        let (namespace, rest) = part(text.trim()).map_err(failed)?;
        let rest = rest
            .strip_prefix('.')
            .ok_or_else(|| failed("write schema.table, such as public.orders or public.*"))?;
        let (name, rest) = part(rest).map_err(failed)?;
        if !rest.is_empty() {
            return Err(failed(
                "something follows the table's name; quote names with dots in them",
            ));
        }
        Ok(Self {
            text: text.trim().to_owned(),
            namespace,
            name,
        })
    }
}

/// The first part of a pattern in `LIKE`'s form, and what follows it.
fn part(text: &str) -> Result<(String, &str), &'static str> {
    let mut like = String::new();
    let rest = match text.strip_prefix('"') {
        Some(quoted) => quoted_part(quoted, &mut like)?,
        None => {
            let end = text.find(['.', '"']).unwrap_or(text.len());
            let (plain, rest) = text.split_at(end);
            for character in plain.chars() {
                match character {
                    '*' => like.push('%'),
                    other => other
                        .to_lowercase()
                        .for_each(|lower| push_literal(&mut like, lower)),
                }
            }
            rest
        }
    };
    if like.is_empty() {
        Err("a name is empty")
    } else {
        Ok((like, rest))
    }
}

fn quoted_part<'a>(quoted: &'a str, like: &mut String) -> Result<&'a str, &'static str> {
    let mut characters = quoted.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        if character != '"' {
            push_literal(like, character);
        } else if characters.next_if(|(_, next)| *next == '"').is_some() {
            like.push('"');
        } else {
            return Ok(quoted.get(at + 1..).unwrap_or_default());
        }
    }
    Err("a quote is not closed")
}

/// SQL's `LIKE`, as far as patterns use it: `%` and `\` escapes.
fn like(pattern: &str, text: &str) -> bool {
    let mut pieces = Vec::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        match character {
            '%' => pieces.push(None),
            '\\' => pieces.extend(characters.next().map(Some)),
            other => pieces.push(Some(other)),
        }
    }
    let text: Vec<char> = text.chars().collect();
    // Where the last `%` stands and what it covers up to: it can always be made to cover one more.
    let (mut piece, mut place, mut retry) = (0, 0, None);
    loop {
        match (pieces.get(piece), text.get(place)) {
            (Some(None), _) => {
                retry = Some((piece + 1, place));
                piece += 1;
            }
            (Some(Some(wanted)), Some(found)) if wanted == found => (piece, place) = (piece + 1, place + 1),
            (None, None) => return true,
            _ => match retry {
                Some((after, covered)) if covered < text.len() => {
                    retry = Some((after, covered + 1));
                    (piece, place) = (after, covered + 1);
                }
                _ => return false,
            },
        }
    }
}

fn push_literal(like: &mut String, character: char) {
    if matches!(character, '%' | '_' | '\\') {
        like.push('\\');
    }
    like.push(character);
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use walcast_mapper::TableName;

    use super::TablePattern;

    fn check(text: &str, expected: &Expect) {
        expected.assert_eq(&match text.parse::<TablePattern>() {
            Ok(pattern) => format!("{} | {}", pattern.namespace_like(), pattern.name_like()),
            Err(error) => format!("error: {error}"),
        });
    }

    #[test]
    fn patterns_become_what_like_understands() {
        check("public.*", &expect!["public | %"]);
        check("Sales.Order_*", &expect![r"sales | order\_%"]);
        check(r#""My.Schema"."a*""b%""#, &expect![[r#"My.Schema | a*"b\%"#]]);
        check("*.*", &expect!["% | %"]);
    }

    #[test]
    fn what_is_no_pattern_says_why() {
        check(
            "orders",
            &expect![[
                r#"error: "orders" is not a table pattern: write schema.table, such as public.orders or public.*"#
            ]],
        );
        check(
            "a.b.c",
            &expect![[
                r#"error: "a.b.c" is not a table pattern: something follows the table's name; quote names with dots in them"#
            ]],
        );
        check(
            "public.",
            &expect![[r#"error: "public." is not a table pattern: a name is empty"#]],
        );
        check(
            "\"a",
            &expect![[r#"error: "\"a" is not a table pattern: a quote is not closed"#]],
        );
        check(
            "a\"b\".c",
            &expect![[
                r#"error: "a\"b\".c" is not a table pattern: write schema.table, such as public.orders or public.*"#
            ]],
        );
    }

    #[test]
    fn a_star_covers_anything() {
        let matches = |pattern: &str, namespace: &str, name: &str| {
            let table = TableName {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            };
            pattern.parse::<TablePattern>().unwrap().matches(&table)
        };
        assert!(matches("public.*", "public", "orders"));
        assert!(!matches("public.*", "public2", "orders"));
        assert!(matches("*.a*b*c", "x", "a_bb_c"));
        assert!(!matches("*.a*b*c", "x", "a_bb_cd"));
        assert!(
            !matches("x.order_", "x", "orders"),
            "an underscore is no wildcard"
        );
        assert!(matches("x.\"a*\"", "x", "a*"));
        assert!(!matches("x.\"a*\"", "x", "ab"));
    }

    proptest! {
        #[test]
        fn any_name_can_be_quoted(namespace in "[^\\x00]{1,8}", name in "[^\\x00]{1,8}", other in "[^\\x00]{1,8}") {
            let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
            let pattern: TablePattern = format!("{}.{}", quote(&namespace), quote(&name)).parse().unwrap();
            let matches = |name: &String| pattern.matches(&TableName { namespace: namespace.clone(), name: name.clone() });
            prop_assert!(matches(&name));
            prop_assert_eq!(matches(&other), name == other);
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            if let Err(error) = text.parse::<TablePattern>() {
                prop_assert_eq!(error.text, text);
            }
        }
    }
}
