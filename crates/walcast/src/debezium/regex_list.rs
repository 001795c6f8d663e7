//! Debezium's lists of regular expressions, and what they are in our patterns.
//!
//! An expression there must match a whole name, in any case, and `.` stands for any character: `public.orders` is also a
//! regular expression. One that can only mean one table, or one with `.*` as its only freedom, becomes a pattern of
//! ours; any other becomes `/expression/`.

use std::fmt::Write;

use walcast_mapper::TablePattern;

/// Splits at commas that are not escaped, as Debezium does; `\,` becomes a comma.
pub(super) fn split(list: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut characters = list.chars();
    while let Some(character) = characters.next() {
        let last = parts.len() - 1;
        let part = &mut parts[last];
        match character {
            '\\' => match characters.next() {
                Some(',') => part.push(','),
                Some(escaped) => part.extend(['\\', escaped]),
                None => part.push('\\'),
            },
            ',' => parts.push(String::new()),
            other => part.push(other),
        }
    }
    parts
        .into_iter()
        .map(|part| part.trim().to_owned())
        .filter(|part| !part.is_empty())
        .collect()
}

/// One step of a simple expression.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// This character, in either case.
    Letter(char),
    /// `\.`: a dot.
    Dot,
    /// `.`: any one character.
    Any,
    /// `.*`: any characters.
    Anything,
}

/// The steps of an expression that has no others; `None` for any other.
fn steps(expression: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut characters = expression.chars().peekable();
    while let Some(character) = characters.next() {
        steps.push(match character {
            '\\' => match characters.next()? {
                '.' => Step::Dot,
                '_' => Step::Letter('_'),
                '-' => Step::Letter('-'),
                _ => return None,
            },
            '.' if characters.next_if_eq(&'*').is_some() => Step::Anything,
            '.' => Step::Any,
            'a'..='z' | '0'..='9' | '_' | '-' => Step::Letter(character),
            _ => return None,
        });
    }
    Some(steps)
}

/// One name, or a name with `*`; `None` when the expression means more than that.
fn simple(steps: &[Step]) -> Option<String> {
    let mut name = String::new();
    for step in steps {
        match step {
            Step::Letter(letter) => name.push(*letter),
            Step::Anything => name.push('*'),
            Step::Dot | Step::Any => return None,
        }
    }
    (!name.is_empty()).then_some(name)
}

/// An expression for `schema.table` as a pattern of ours.
///
/// # Errors
/// The construct that our expressions do not have.
pub(super) fn table(expression: &str) -> Result<String, String> {
    let Some(steps) = steps(expression) else {
        return as_expression(expression);
    };
    let free = |step: &Step| matches!(step, Step::Any | Step::Anything);
    let dots: Vec<usize> = (0..steps.len())
        .filter(|at| matches!(steps[*at], Step::Dot | Step::Any))
        .collect();
    // With one dot that is escaped, it parts schema and table. One that is not can only be the dot between them when
    // nothing else in the expression could be.
    let [at] = dots.as_slice() else {
        return as_expression(expression);
    };
    let is_certain = steps[*at] == Step::Dot || steps.iter().filter(|step| free(step)).count() == 1;
    let (schema, rest) = steps.split_at(*at);
    match (is_certain, simple(schema), simple(&rest[1..])) {
        (true, Some(schema), Some(table)) => Ok(format!("{}.{}", quoted(&schema), quoted(&table))),
        _ => as_expression(expression),
    }
}

/// An expression for a schema, as the pattern of all of its tables.
///
/// # Errors
/// As [`table`].
pub(super) fn schema(expression: &str) -> Result<String, String> {
    match steps(expression).as_deref().and_then(simple) {
        Some(name) => Ok(format!("{}.*", quoted(&name))),
        None => as_expression(&format!(r"(?:{expression})\..*")),
    }
}

/// A pattern for a prefix of messages: an expression as well, because upper and lower case are the same in Debezium's.
///
/// # Errors
/// Ours would mean something else.
pub(super) fn prefix(expression: &str) -> Result<String, String> {
    match expression {
        ".*" => Ok("*".to_owned()),
        _ => as_expression(expression),
    }
}

/// Our patterns take a hyphen only inside quotes, where `*` would mean itself.
fn quoted(name: &str) -> String {
    if name.contains('-') && !name.contains('*') {
        format!("\"{name}\"")
    } else {
        name.to_owned()
    }
}

/// `/expression/`, when the expression means the same to us.
pub(super) fn as_expression(expression: &str) -> Result<String, String> {
    if let Some(construct) = foreign(expression) {
        return Err(format!(
            "{expression}: our regular expressions have no {construct}; write the names out"
        ));
    }
    let pattern = format!("/{expression}/");
    match pattern.parse::<TablePattern>() {
        Ok(_) => Ok(pattern),
        Err(error) => Err(format!("{expression}: {error}")),
    }
}

/// What Java's expressions have and ours do not.
fn foreign(expression: &str) -> Option<&'static str> {
    const CONSTRUCTS: [(&str, &str); 9] = [
        ("(?=", "look-ahead"),
        ("(?!", "look-ahead"),
        ("(?<=", "look-behind"),
        ("(?<!", "look-behind"),
        ("(?>", "atomic groups"),
        ("*+", "possessive quantifiers"),
        ("++", "possessive quantifiers"),
        ("?+", "possessive quantifiers"),
        ("\\Q", "\\Q quoting"),
    ];
    let is_back_reference = |pair: &[u8]| matches!(pair, [b'\\', b'1'..=b'9']);
    let found = CONSTRUCTS
        .iter()
        .find(|(construct, _)| expression.contains(construct));
    found.map(|(_, name)| *name).or_else(|| {
        expression
            .as_bytes()
            .windows(2)
            .any(is_back_reference)
            .then_some("back-references")
    })
}

/// Several expressions, or what is wrong with all of those that cannot be had.
pub(super) fn all(list: &str, one: impl Fn(&str) -> Result<String, String>) -> Result<Vec<String>, String> {
    let mut patterns = Vec::new();
    let mut problems = String::new();
    for expression in split(list) {
        match one(&expression) {
            Ok(pattern) => patterns.push(pattern),
            Err(problem) => {
                let separator = if problems.is_empty() { "" } else { "; " };
                // Writing to a string does not fail.
                let written = write!(problems, "{separator}{problem}");
                debug_assert!(written.is_ok());
            }
        }
    }
    if problems.is_empty() {
        Ok(patterns)
    } else {
        Err(problems)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_split_as_debezium_splits_them() {
        assert_eq!(
            split(r"public\.a , public.b{1\,2},,c\\"),
            [r"public\.a", "public.b{1,2}", r"c\\"]
        );
        assert!(split(" , ").is_empty());
    }

    #[test]
    fn what_means_one_table_is_a_plain_name() {
        for (expression, pattern) in [
            ("public.orders", "public.orders"),
            (r"public\.orders", "public.orders"),
            (r"public\.order\_items", "public.order_items"),
            (r"sales\.orders_.*", "sales.orders_*"),
            (r"public\..*", "public.*"),
            (r".*\.orders", "*.orders"),
            (r"web-shop\.orders", "\"web-shop\".orders"),
        ] {
            assert_eq!(table(expression).as_deref(), Ok(pattern), "{expression}");
            pattern.parse::<TablePattern>().unwrap();
        }
        assert_eq!(schema("inventory").as_deref(), Ok("inventory.*"));
        assert_eq!(schema("tenant_.*").as_deref(), Ok("tenant_*.*"));
    }

    /// `public.*` there is every name that begins with `public`: `publicity.orders` too.
    #[test]
    fn what_means_more_than_it_seems_is_not_shortened() {
        for expression in [
            "public.*",
            "public.orders.*",
            r"public\.(a|b)",
            r"public\.[ab]",
            "Public.Orders",
            "a.b.c",
        ] {
            assert_eq!(table(expression), Ok(format!("/{expression}/")));
        }
    }

    #[test]
    fn what_our_expressions_do_not_have_is_named() {
        for (expression, construct) in [
            (r"public\.(?!audit).*", "look-ahead"),
            (r"(?<=a)b\.c", "look-behind"),
            (r"\Qpublic.orders\E", "\\Q quoting"),
            (r"a++\.b", "possessive quantifiers"),
            (r"(a)\1\.b", "back-references"),
        ] {
            let problem = table(expression).unwrap_err();
            assert!(problem.contains(construct), "{problem}");
        }
    }
}
