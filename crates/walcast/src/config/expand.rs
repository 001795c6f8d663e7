//! `${VARIABLE}` in string values.

use std::borrow::Cow;

/// A reference that cannot be replaced.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ExpandError {
    /// The environment does not have it.
    #[error("environment variable {0} is not set; set it, or write $${{{0}}} if the text itself is meant")]
    Missing(String),
    /// The environment has it, but not as text.
    #[error("environment variable {0} is not valid UTF-8")]
    NotText(String),
    /// It does not end, or is empty.
    #[error(
        "\"${{\" begins a variable that does not end with \"}}\"; write $${{ if the text itself is meant"
    )]
    Unclosed,
}

/// Where variables come from; the process environment but for tests.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Result<String, std::env::VarError>;

/// Replaces `${NAME}` by the variable's value and `$${` by `${`; any other `$` stays.
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
    fn variables_are_replaced_once() {
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
    fn what_cannot_be_replaced_is_named() {
        assert_eq!(
            expand("a ${GONE} b", &lookup),
            Err(ExpandError::Missing("GONE".to_owned()))
        );
        assert_eq!(expand("${HOST", &lookup), Err(ExpandError::Unclosed));
        assert_eq!(expand("${}", &lookup), Err(ExpandError::Unclosed));
        assert_eq!(
            expand("${GONE}", &lookup).unwrap_err().to_string(),
            "environment variable GONE is not set; set it, or write $${GONE} if the text itself is meant"
        );
    }
}
