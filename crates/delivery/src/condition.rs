//! Row conditions of snapshot requests, and the checks that keep a condition from being more than a condition.
//!
//! A condition becomes part of a statement that the connector's role executes. Two dialects exist:
//!
//! - [`Dialect::Comparisons`], for external requests (HTTP, signal table, signal topic): comparisons of the table's
//!   columns with literals. The text is parsed here, and the SQL is generated from the parsed form ([`Expression`])
//!   with operators of `pg_catalog` only: a condition cannot name a function, a subquery or an operator of another
//!   schema.
//! - [`Dialect::Sql`], for the configuration file, and for external requests where a setting allows SQL: any expression
//!   whose tokens stay inside the parentheses around it ([`SqlCondition`]).
//!
//! Parsing does not consult the catalog: the source checks whether the table has the columns.

pub(crate) mod error;
pub(crate) mod expression;
pub(crate) mod parse;
pub(crate) mod sql;
pub(crate) mod token;

pub use self::error::{CONDITION_BYTES_MAX, ConditionError};
use std::collections::BTreeSet;
use std::fmt;

pub use expression::{Comparison, Expression, Literal, Operand, TypeName};
pub use sql::SqlCondition;

/// Language of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Comparisons: columns, literals, comparison operators, `AND`, `OR`, `NOT`, `IN`, `BETWEEN`, `IS NULL`, `LIKE`.
    Comparisons,
    /// SQL: any expression that stays inside its parentheses.
    Sql,
}

/// Condition that is safe to put between parentheses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Condition of comparisons only.
    Comparisons(Expression),
    /// Condition in SQL.
    Sql(SqlCondition),
}

impl Condition {
    /// Parses a condition.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not valid in the dialect or is longer than [`CONDITION_BYTES_MAX`].
    pub fn parse(text: &str, dialect: Dialect) -> Result<Self, ConditionError> {
        if text.len() > CONDITION_BYTES_MAX {
            return Err(ConditionError::TooLong { bytes: text.len() });
        }
        match dialect {
            Dialect::Comparisons => parse::expression(text).map(Self::Comparisons),
            Dialect::Sql => SqlCondition::parse(text).map(Self::Sql),
        }
    }

    /// Returns the condition as SQL, to be put between parentheses.
    #[must_use]
    pub fn sql(&self) -> String {
        match self {
            Self::Comparisons(expression) => expression.sql(),
            Self::Sql(condition) => condition.sql().to_owned(),
        }
    }

    /// Dialect of the condition.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Comparisons(_) => Dialect::Comparisons,
            Self::Sql(_) => Dialect::Sql,
        }
    }

    /// Columns that the comparisons name; `None` for SQL, which only the server can resolve.
    #[must_use]
    pub fn columns(&self) -> Option<BTreeSet<&str>> {
        match self {
            Self::Comparisons(expression) => Some(expression.columns()),
            Self::Sql(_) => None,
        }
    }
}

/// Prints a text that [`Condition::parse`] parses back into the same condition.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Comparisons(expression) => expression.fmt(f),
            Self::Sql(condition) => f.write_str(condition.sql()),
        }
    }
}

#[cfg(test)]
mod tests;
