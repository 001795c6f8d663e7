//! Settings of the written configuration.

use walcast_postgres::Survey;

/// Settings of the written configuration; everything else in it is a comment.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) name: String,
    /// Connection string without a password.
    pub(super) url: String,
    /// Whether the connection string of the command line had a password.
    pub(super) had_password: bool,
    pub(super) brokers: String,
    /// Address of the schema registry; `None`: records are JSON.
    pub(super) registry: Option<String>,
    /// Schemas whose tables are captured; if there are none, the default applies.
    pub(super) schemas: Vec<String>,
}

/// Name of a connector for a database whose name has no usable characters.
const NAME_DEFAULT: &str = "source";

/// Maximum length of the name of a connector.
const NAME_BYTES_MAX: usize = 55;

/// Name of a connector for a database: `a-z`, `0-9` and `_`, beginning with a letter.
pub(super) fn name_of(database: &str) -> String {
    let plain = |character: char| match character.to_ascii_lowercase() {
        plain if plain.is_ascii_lowercase() || plain.is_ascii_digit() => plain,
        _ => '_',
    };
    let name: String = database.chars().map(plain).collect();
    let begins = |character: char| !character.is_ascii_lowercase();
    let name: String = name
        .trim_start_matches(begins)
        .chars()
        .take(NAME_BYTES_MAX)
        .collect();
    let name = name.trim_end_matches('_');
    match name.is_empty() {
        true => NAME_DEFAULT.to_owned(),
        false => name.to_owned(),
    }
}

/// Schemas with tables, in order.
pub(super) fn schemas(survey: &Survey) -> Vec<String> {
    let mut schemas: Vec<String> = survey
        .tables
        .iter()
        .map(|table| table.name.namespace.clone())
        .collect();
    schemas.sort();
    schemas.dedup();
    schemas
}

/// Pattern of all tables of a schema.
pub(super) fn pattern(schema: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    match schema.bytes().all(is_plain) && !schema.is_empty() {
        true => format!("{schema}.*"),
        false => format!("\"{}\".*", schema.replace('"', "\"\"")),
    }
}
