//! Expansion of `${VARIABLE}` in string values.

use std::borrow::Cow;

/// Error: a reference cannot be expanded.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ExpandError {
    /// The variable is not set.
    #[error("environment variable {0} is not set; set it, or write $${{{0}}} to keep the text unchanged")]
    Missing(String),
    /// The value is not UTF-8.
    #[error("environment variable {0} is not valid UTF-8; set it to a text in UTF-8")]
    NotText(String),
    /// The reference is unclosed or empty.
    #[error("\"${{\" begins a variable that does not end with \"}}\"; write $${{ to keep the text unchanged")]
    Unclosed,
}

/// Source of variables: the process environment, except in tests.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Result<String, std::env::VarError>;

/// Replaces `${NAME}` by the value of the variable, and `$${` by `${`; any other `$` is kept.
pub(crate) fn expand<'t>(text: &'t str, lookup: Lookup<'_>) -> Result<Cow<'t, str>, ExpandError> {
    if !text.contains("${") {
        return Ok(Cow::Borrowed(text));
    }
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            expanded.push_str(before);
            expanded.push_str("${");
            rest = after;
            continue;
        }
        expanded.push_str(before);
        let (name, after) = after
            .split_once('}')
            .filter(|(name, _)| !name.is_empty())
            .ok_or(ExpandError::Unclosed)?;
        expanded.push_str(&lookup(name).map_err(|error| match error {
            std::env::VarError::NotPresent => ExpandError::Missing(name.to_owned()),
            std::env::VarError::NotUnicode(_) => ExpandError::NotText(name.to_owned()),
        })?);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(Cow::Owned(expanded))
}

#[cfg(test)]
mod tests {
    use std::env::VarError;

    use super::{ExpandError, expand};

    fn lookup(name: &str) -> Result<String, VarError> {
        match name {
            "HOST" => Ok("db.example".to_owned()),
            "NESTED" => Ok("${HOST}".to_owned()),
            _ => Err(VarError::NotPresent),
        }
    }

    #[test]
    fn variables_are_expanded_once() {
        for (text, expanded) in [
            ("plain $ text", "plain $ text"),
            ("postgres://${HOST}/shop", "postgres://db.example/shop"),
            ("${HOST}${HOST}", "db.exampledb.example"),
            ("${NESTED}", "${HOST}"),
            ("$${HOST} costs $5", "${HOST} costs $5"),
        ] {
            assert_eq!(expand(text, &lookup).unwrap(), expanded);
        }
    }

    #[test]
    fn invalid_references_are_reported() {
        let bytes = |_: &str| Err(VarError::NotUnicode("x".into()));
        assert_eq!(
            expand("${HOST}", &bytes).unwrap_err().to_string(),
            "environment variable HOST is not valid UTF-8; set it to a text in UTF-8"
        );
        assert_eq!(
            expand("a ${GONE} b", &lookup),
            Err(ExpandError::Missing("GONE".to_owned()))
        );
        assert_eq!(expand("${HOST", &lookup), Err(ExpandError::Unclosed));
        assert_eq!(expand("${}", &lookup), Err(ExpandError::Unclosed));
        assert_eq!(
            expand("${GONE}", &lookup).unwrap_err().to_string(),
            "environment variable GONE is not set; set it, or write $${GONE} to keep the text unchanged"
        );
    }
}
