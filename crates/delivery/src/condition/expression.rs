//! Expressions of [`Dialect::Comparisons`](crate::condition::Dialect::Comparisons): comparisons of columns with
//! constants.

use std::collections::BTreeSet;
use std::fmt;

use crate::sql;

/// Parsed condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// Conjunction of two or more expressions.
    And(Vec<Expression>),
    /// Disjunction of two or more expressions.
    Or(Vec<Expression>),
    /// Negation of an expression.
    Not(Box<Expression>),
    /// Boolean column or constant.
    Truth(Operand),
    /// Comparison of two values.
    Compare {
        /// Left operand.
        left: Operand,
        /// Comparison operator.
        comparison: Comparison,
        /// Right operand.
        right: Operand,
    },
    /// Test whether a value is in a list of constants.
    In {
        /// Value that is tested.
        operand: Operand,
        /// Whether the test is `NOT IN`.
        negated: bool,
        /// Constants of the list; one or more.
        list: Vec<Literal>,
    },
    /// Test whether a value lies between two constants, inclusive.
    Between {
        /// Value that is tested.
        operand: Operand,
        /// Whether the test is `NOT BETWEEN`.
        negated: bool,
        /// Lower bound.
        low: Literal,
        /// Upper bound.
        high: Literal,
    },
    /// Test whether a column is null.
    IsNull {
        /// Column that is tested.
        operand: Operand,
        /// Whether the test is `IS NOT NULL`.
        negated: bool,
    },
}

/// Comparison operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the operators of SQL")]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Like,
    NotLike,
    ILike,
    NotILike,
}

/// Operand of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operand {
    /// Column of the table.
    Column(String),
    /// Constant.
    Literal(Literal),
}

/// Constant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    /// Number with its sign.
    Number(String),
    /// Text, which takes the type of the value that it is compared with.
    Text(String),
    /// Text with an explicit type.
    Typed {
        /// Type of the constant.
        type_name: TypeName,
        /// Text of the constant.
        text: String,
    },
    /// `TRUE` or `FALSE`.
    Boolean(bool),
}

/// Types that a constant can have explicitly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the types of Postgres")]
pub enum TypeName {
    Date,
    Time,
    Timestamp,
    TimestampTz,
    Uuid,
    Numeric,
    Int8,
    Int4,
    Text,
    Bool,
}

/// Accepted type names. The first name of each type is printed, and is the type's name in `pg_catalog`.
const TYPE_NAMES: [(&str, TypeName); 16] = [
    ("date", TypeName::Date),
    ("time", TypeName::Time),
    ("timestamp", TypeName::Timestamp),
    ("timestamptz", TypeName::TimestampTz),
    ("uuid", TypeName::Uuid),
    ("numeric", TypeName::Numeric),
    ("int8", TypeName::Int8),
    ("int4", TypeName::Int4),
    ("text", TypeName::Text),
    ("bool", TypeName::Bool),
    ("decimal", TypeName::Numeric),
    ("bigint", TypeName::Int8),
    ("integer", TypeName::Int4),
    ("int", TypeName::Int4),
    ("varchar", TypeName::Text),
    ("boolean", TypeName::Bool),
];

impl TypeName {
    /// Returns the type with this name, ignoring case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let mut names = TYPE_NAMES.iter();
        let found = names.find(|(written, _)| written.eq_ignore_ascii_case(name));
        found.map(|(_, type_name)| *type_name)
    }

    fn as_str(self) -> &'static str {
        let mut names = TYPE_NAMES.iter();
        names
            .find(|(_, type_name)| *type_name == self)
            .map_or("text", |(written, _)| written)
    }
}

impl Comparison {
    /// Name of the operator in `pg_catalog`.
    fn operator(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Like => "~~",
            Self::NotLike => "!~~",
            Self::ILike => "~~*",
            Self::NotILike => "!~~*",
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Like => "LIKE",
            Self::NotLike => "NOT LIKE",
            Self::ILike => "ILIKE",
            Self::NotILike => "NOT ILIKE",
            other => other.operator(),
        }
    }
}

/// Reader of a printed expression.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reader {
    /// Users, and the parser of this crate.
    Person,
    /// The server: every operator and type is qualified with `pg_catalog`, whatever `search_path` is.
    Server,
}

impl Expression {
    /// Returns the expression as SQL whose operators and types are those of `pg_catalog`.
    #[must_use]
    pub fn sql(&self) -> String {
        let mut text = String::new();
        self.print(Reader::Server, &mut text);
        text
    }

    /// Columns that the expression names.
    #[must_use]
    pub fn columns(&self) -> BTreeSet<&str> {
        let mut columns = BTreeSet::new();
        self.add_columns(&mut columns);
        columns
    }

    fn add_columns<'e>(&'e self, columns: &mut BTreeSet<&'e str>) {
        let operands = match self {
            Self::And(parts) | Self::Or(parts) => {
                return parts.iter().for_each(|part| part.add_columns(columns));
            }
            Self::Not(inner) => return inner.add_columns(columns),
            Self::Compare { left, right, .. } => vec![left, right],
            Self::Truth(operand)
            | Self::In { operand, .. }
            | Self::Between { operand, .. }
            | Self::IsNull { operand, .. } => vec![operand],
        };
        for operand in operands {
            if let Operand::Column(column) = operand {
                columns.insert(column);
            }
        }
    }

    fn print(&self, reader: Reader, out: &mut String) {
        match self {
            Self::And(parts) => join(parts, " AND ", reader, out),
            Self::Or(parts) => join(parts, " OR ", reader, out),
            Self::Not(inner) => {
                out.push_str("NOT (");
                inner.print(reader, out);
                out.push(')');
            }
            Self::Truth(operand) => operand.print(reader, out),
            Self::Compare {
                left,
                comparison,
                right,
            } => compare(left, *comparison, reader, out, |out| right.print(reader, out)),
            Self::In {
                operand,
                negated,
                list,
            } => print_in(operand, *negated, list, reader, out),
            Self::Between {
                operand,
                negated,
                low,
                high,
            } => print_between(operand, *negated, (low, high), reader, out),
            Self::IsNull { operand, negated } => {
                operand.print(reader, out);
                out.push_str(if *negated { " IS NOT NULL" } else { " IS NULL" });
            }
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.print(Reader::Person, &mut text);
        f.write_str(&text)
    }
}

fn join(parts: &[Expression], word: &str, reader: Reader, out: &mut String) {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            out.push_str(word);
        }
        out.push('(');
        part.print(reader, out);
        out.push(')');
    }
}

fn compare(
    left: &Operand,
    comparison: Comparison,
    reader: Reader,
    out: &mut String,
    right: impl FnOnce(&mut String),
) {
    left.print(reader, out);
    match reader {
        Reader::Person => out.push_str(&format!(" {} ", comparison.as_str())),
        Reader::Server => out.push_str(&format!(" OPERATOR(pg_catalog.{}) ", comparison.operator())),
    }
    right(out);
}

/// Prints `IN`. The server resolves the operator of `IN` through `search_path`, so for the server the list is expanded
/// into qualified comparisons.
fn print_in(operand: &Operand, negated: bool, list: &[Literal], reader: Reader, out: &mut String) {
    if reader == Reader::Person {
        operand.print(reader, out);
        out.push_str(if negated { " NOT IN (" } else { " IN (" });
    } else {
        out.push_str(if negated { "NOT (" } else { "(" });
    }
    for (index, literal) in list.iter().enumerate() {
        match reader {
            Reader::Person if index > 0 => out.push_str(", "),
            Reader::Server if index > 0 => out.push_str(" OR "),
            _ => {}
        }
        match reader {
            Reader::Person => literal.print(reader, out),
            Reader::Server => compare(operand, Comparison::Equal, reader, out, |out| {
                literal.print(reader, out);
            }),
        }
    }
    out.push(')');
}

/// Prints `BETWEEN`, expanded for the server as `IN` is.
fn print_between(
    operand: &Operand,
    negated: bool,
    (low, high): (&Literal, &Literal),
    reader: Reader,
    out: &mut String,
) {
    if reader == Reader::Person {
        operand.print(reader, out);
        out.push_str(if negated { " NOT BETWEEN " } else { " BETWEEN " });
        low.print(reader, out);
        out.push_str(" AND ");
        return high.print(reader, out);
    }
    out.push_str(if negated { "NOT (" } else { "(" });
    compare(operand, Comparison::GreaterOrEqual, reader, out, |out| {
        low.print(reader, out)
    });
    out.push_str(" AND ");
    compare(operand, Comparison::LessOrEqual, reader, out, |out| {
        high.print(reader, out)
    });
    out.push(')');
}

impl Operand {
    fn print(&self, reader: Reader, out: &mut String) {
        match self {
            Self::Column(column) => out.push_str(&sql::identifier(column)),
            Self::Literal(literal) => literal.print(reader, out),
        }
    }
}

impl Literal {
    fn print(&self, reader: Reader, out: &mut String) {
        match self {
            Self::Number(number) if number.starts_with('-') && reader == Reader::Server => {
                out.push_str(&format!("({number})"));
            }
            Self::Number(number) => out.push_str(number),
            Self::Text(text) => out.push_str(&quoted(text)),
            Self::Typed { type_name, text } => {
                let schema = if reader == Reader::Server {
                    "pg_catalog."
                } else {
                    ""
                };
                out.push_str(&format!("{}::{schema}{}", quoted(text), type_name.as_str()));
            }
            Self::Boolean(value) => out.push_str(if *value { "TRUE" } else { "FALSE" }),
        }
    }
}

/// Quotes a text. A text without backslashes gets plain quotes, which the server reads alike under any settings.
fn quoted(text: &str) -> String {
    if text.contains('\\') {
        sql::escaped(text)
    } else {
        sql::literal(text)
    }
}
