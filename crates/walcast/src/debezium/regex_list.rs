//! Translation of Debezium's lists of regular expressions to the patterns of walcast.
//!
//! An expression must match a whole name, case-insensitively, and `.` matches any character: `public.orders` is a regular
//! expression too. An expression that matches a single table, or whose only wildcard is `.*`, becomes a plain pattern; any other
//! becomes `/expression/`.

use walcast_mapper::pattern::TablePattern;

use super::draft::Setting;
use super::rule::Outcome;

/// Splits a list at unescaped commas, as Debezium does; `\,` becomes a comma.
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

/// Element of a simple expression.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// This character, in either case of letters.
    Letter(char),
    /// `\.`: a dot.
    Dot,
    /// `.`: any one character.
    Any,
    /// `.*`: any characters.
    Anything,
}

/// Parses a simple expression; `None` for any other expression.
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

/// A name, possibly with `*`; `None` for other expressions.
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

/// Translates an expression for `schema.table` to a table pattern.
///
/// # Errors
/// The expression contains an unsupported construct, which the text names.
pub(super) fn table(expression: &str) -> Result<String, String> {
    let Some(steps) = steps(expression) else {
        return as_expression(expression);
    };
    let free = |step: &Step| matches!(step, Step::Any | Step::Anything);
    let dots: Vec<usize> = (0..steps.len())
        .filter(|at| matches!(steps[*at], Step::Dot | Step::Any))
        .collect();
    // A single escaped dot separates schema and table. An unescaped dot certainly does so only if the expression has no other
    // wildcard.
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

/// Translates an expression for a schema to the pattern of all its tables.
///
/// # Errors
/// As [`table`].
pub(super) fn schema(expression: &str) -> Result<String, String> {
    match steps(expression).as_deref().and_then(simple) {
        Some(name) => Ok(format!("{}.*", quoted(&name))),
        None => excluded_schema(expression),
    }
}

/// Translates an expression for a schema whose tables are excluded. The result remains an expression: see [`as_expression`].
///
/// # Errors
/// As [`table`].
pub(super) fn excluded_schema(expression: &str) -> Result<String, String> {
    as_expression(&format!(r"(?:{expression})\..*"))
}

/// Translates an expression for a message prefix. The result remains an expression, because Debezium ignores case.
///
/// # Errors
/// As [`table`].
pub(super) fn prefix(expression: &str) -> Result<String, String> {
    match expression {
        ".*" => Ok("*".to_owned()),
        _ => as_expression(expression),
    }
}

/// Quotes a name with a hyphen, as patterns require; inside quotes, `*` would not be a wildcard.
fn quoted(name: &str) -> String {
    if name.contains('-') && !name.contains('*') {
        format!("\"{name}\"")
    } else {
        name.to_owned()
    }
}

/// The pattern `/expression/`, if its constructs are supported. It ignores case, as Debezium's lists do, while a plain name is
/// folded to lower case: lists that hide tables or columns consist of such patterns.
///
/// # Errors
/// As [`table`].
pub(super) fn as_expression(expression: &str) -> Result<String, String> {
    if let Some(construct) = foreign(expression) {
        return Err(format!(
            "{expression}: walcast's regular expressions do not support {construct}; list the names"
        ));
    }
    let pattern = format!("/{expression}/");
    match pattern.parse::<TablePattern>() {
        Ok(_) => Ok(pattern),
        Err(error) => Err(format!("{expression}: {error}")),
    }
}

/// Name of a construct of Java's regular expressions that walcast does not support.
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

/// Translated expressions of a list, and the problems of those that cannot be translated.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    pub(super) known: Vec<String>,
    pub(super) problems: Vec<String>,
}

/// Translates the expressions of a list.
pub(super) fn all(list: &str, one: impl Fn(&str) -> Result<String, String>) -> Patterns {
    let mut patterns = Patterns::default();
    for expression in split(list) {
        match one(&expression) {
            Ok(pattern) => patterns.known.push(pattern),
            Err(problem) => patterns.problems.push(problem),
        }
    }
    patterns
}

impl Patterns {
    /// The setting `key` of the translated expressions; no line if there are none, because an empty list selects everything.
    pub(super) fn setting(self, key: &str) -> Outcome {
        let lines = match self.known.is_empty() {
            true => Vec::new(),
            false => vec![Setting::new(key, self.known)],
        };
        Outcome::of(lines, &self.problems)
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
    fn an_expression_for_one_table_becomes_a_plain_name() {
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

    /// The expression `public.*` matches every name that begins with `public`, for example `publicity.orders`.
    #[test]
    fn an_ambiguous_expression_remains_an_expression() {
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
    fn unsupported_constructs_are_named() {
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
