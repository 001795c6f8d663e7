//! Conditions of requests ([`walcast_delivery::condition`]).
//!
//! For any text: reading it does not panic; a text of the small language is printed as one that is read as the same; what is
//! written for the server stays inside of its parentheses, as the scanner for SQL sees it.

use walcast_delivery::condition::{Condition, ConditionError, Dialect};

/// Reads a text in both dialects.
///
/// # Panics
/// Something of the above does not hold.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    drop(Condition::parse(text, Dialect::Sql));
    let Ok(condition) = Condition::parse(text, Dialect::Comparisons) else {
        return;
    };
    let sql = condition.sql();
    let is_bounded = |error: &ConditionError| matches!(error, ConditionError::TooLong { .. });
    match Condition::parse(&sql, Dialect::Sql) {
        Ok(_) => {}
        Err(error) => assert!(is_bounded(&error), "{text:?} is written as {sql:?}: {error}"),
    }
    let printed = condition.to_string();
    match Condition::parse(&printed, Dialect::Comparisons) {
        Ok(again) => assert_eq!(again, condition, "{printed:?}"),
        // Printing adds parentheses.
        Err(error) => assert!(
            is_bounded(&error) || error == ConditionError::TooDeep,
            "{text:?} is printed as {printed:?}: {error}"
        ),
    }
}
