//! Names and texts inside SQL and replication commands.

/// An identifier in quotes.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text in quotes. The replication grammar knows no escapes but the doubled quote.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::{identifier, literal};

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(identifier(r#"a"b'c"#), r#""a""b'c""#);
        assert_eq!(literal(r#"a"b'c"#), r#"'a"b''c'"#);
    }
}
