//! Selection of tables and columns, and message keys.

use crate::debezium::draft::Setting;
use crate::debezium::regex_list;
use crate::debezium::rule::Translate::By;
use crate::debezium::rule::{Outcome, Rule, Value, becomes, not_needed};

const TABLES: &str = "postgres.tables";
const EXCLUDE: &str = "postgres.exclude";

pub(super) const RULES: &[Rule] = &[
    becomes("table.include.list", TABLES, By(tables))
        .default("")
        .always()
        .withholds(),
    becomes("table.exclude.list", EXCLUDE, By(excluded))
        .default("")
        .withholds(),
    becomes("schema.include.list", TABLES, By(schemas))
        .default("")
        .withholds(),
    becomes("schema.exclude.list", EXCLUDE, By(excluded))
        .default("")
        .withholds(),
    not_needed(
        "table.ignore.builtin",
        "the system's own schemas are never captured",
    )
    .default("true"),
    becomes("column.include.list", "columns.include", By(columns))
        .default("")
        .withholds(),
    becomes("column.exclude.list", "columns.exclude", By(columns))
        .default("")
        .withholds(),
    becomes("column.mask.with.*.chars", "columns.mask", By(sized)).withholds(),
    becomes("column.truncate.to.*.chars", "columns.truncate", By(sized)).withholds(),
    becomes("column.mask.hash.v2.*", "columns.hash", By(hash)).withholds(),
    becomes("column.mask.hash.*", "columns.hash", By(hash)).withholds(),
    becomes(
        "column.propagate.source.type",
        "columns.propagate_types",
        By(columns),
    )
    .default(""),
    becomes(
        "datatype.propagate.source.type",
        "columns.propagate_data_types",
        By(columns),
    )
    .default(""),
    // Records of a table with another key are in other partitions, and compaction keeps others of them.
    becomes("message.key.columns", "keys", By(keys))
        .default("")
        .withholds(),
];

/// Translates the included tables, together with the included schemas: Debezium captures a table that passes both lists.
fn tables(value: &Value<'_>) -> Outcome {
    let in_schemas = list(value, "schema.include.list");
    if value.text.is_empty() {
        return match in_schemas.is_empty() {
            true => Outcome::line(Setting::new(TABLES, vec!["*.*"])),
            false => Outcome::Nothing("schema.include.list selects the tables"),
        };
    }
    let included = regex_list::all(value.text, regex_list::table);
    if in_schemas.is_empty() {
        return included.setting(TABLES);
    }
    let schemas = regex_list::all(in_schemas, regex_list::schema);
    let problems = [included.problems, schemas.problems].concat();
    match intersection(included.known, &schemas.known) {
        Ok(tables) if tables.is_empty() => Outcome::of(Vec::new(), &problems),
        Ok(tables) => {
            let from = ["table.include.list", "schema.include.list"];
            Outcome::of(vec![Setting::new(TABLES, tables).from(&from)], &problems)
        }
        Err(problem) => Outcome::of(Vec::new(), &[problems, vec![problem]].concat()),
    }
}

/// Translates the included schemas, unless they are part of the line of the included tables.
fn schemas(value: &Value<'_>) -> Outcome {
    match list(value, "table.include.list").is_empty() {
        true => regex_list::all(value.text, regex_list::schema).setting(TABLES),
        false => Outcome::Lines(Vec::new()),
    }
}

/// Translates `table.exclude.list` and `schema.exclude.list`.
fn excluded(value: &Value<'_>) -> Outcome {
    let is_of_tables = value.property == "table.exclude.list";
    let include = match is_of_tables {
        true => "table.include.list",
        false => "schema.include.list",
    };
    if !list(value, include).is_empty() {
        return Outcome::Refused(format!(
            "{include} is also set, and Debezium rejects both together"
        ));
    }
    let patterns = match is_of_tables {
        true => regex_list::all(value.text, regex_list::as_expression),
        false => regex_list::all(value.text, regex_list::excluded_schema),
    };
    patterns.setting(EXCLUDE)
}

fn list<'g>(value: &Value<'g>, property: &str) -> &'g str {
    value.given.connector(property).unwrap_or("").trim()
}

/// Intersects plain table names with plain schemas. The intersection of regular expressions cannot be computed.
fn intersection(tables: Vec<String>, schemas: &[String]) -> Result<Vec<String>, String> {
    let schema_of = |pattern: &str| pattern.split_once('.').map(|(schema, _)| schema.to_owned());
    let is_plain = |pattern: &String| {
        !pattern.starts_with('/') && schema_of(pattern).is_some_and(|schema| !schema.contains('*'))
    };
    if !tables.iter().chain(schemas).all(is_plain) {
        return Err("table.include.list and schema.include.list are both given, and together they cannot be written as one list of patterns: \
             name the schemas in the tables' expressions"
            .to_owned());
    }
    let known: Vec<Option<String>> = schemas.iter().map(|schema| schema_of(schema)).collect();
    Ok(tables
        .into_iter()
        .filter(|table| known.contains(&schema_of(table)))
        .collect())
}

/// Translates an expression for `schema.table.column`.
fn column(expression: &str) -> Result<String, String> {
    let parts: Vec<&str> = expression
        .split('.')
        .map(|part| part.trim_end_matches('\\'))
        .collect();
    let is_name = |part: &&str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    if parts.len() == 3 && parts.iter().all(is_name) {
        Ok(parts.join("."))
    } else {
        regex_list::as_expression(expression)
    }
}

fn key_of(property: &str) -> &'static str {
    match property {
        "column.include.list" => "columns.include",
        "column.exclude.list" => "columns.exclude",
        "datatype.propagate.source.type" => "columns.propagate_data_types",
        _ => "columns.propagate_types",
    }
}

fn columns(value: &Value<'_>) -> Outcome {
    let key = key_of(value.property);
    let one = match key {
        "columns.exclude" => regex_list::as_expression,
        _ => column,
    };
    regex_list::all(value.text, one).setting(key)
}

/// Translates `column.mask.with.12.chars` and `column.truncate.to.20.chars`.
fn sized(value: &Value<'_>) -> Outcome {
    let key = if value.property.contains(".mask.") {
        "columns.mask"
    } else {
        "columns.truncate"
    };
    let Ok(length) = value.inner.parse::<i64>() else {
        return Outcome::Refused(format!("{} is not a length", value.inner));
    };
    entries(value, key, |entry| {
        entry.insert("length".to_owned(), length.into());
    })
}

/// Text before the salt in a property's name.
const SALT: &str = ".with.salt.";

/// Names of hash algorithms: Java's and walcast's.
const ALGORITHMS: [(&str, &str); 13] = [
    ("MD5", "md5"),
    ("SHA", "sha1"),
    ("SHA-1", "sha1"),
    ("SHA-224", "sha224"),
    ("SHA-256", "sha256"),
    ("SHA-384", "sha384"),
    ("SHA-512", "sha512"),
    ("SHA-512/224", "sha512_224"),
    ("SHA-512/256", "sha512_256"),
    ("SHA3-224", "sha3_224"),
    ("SHA3-256", "sha3_256"),
    ("SHA3-384", "sha3_384"),
    ("SHA3-512", "sha3_512"),
];

/// Translates `column.mask.hash.SHA-256.with.salt.pepper` and its second version. The salt is a secret.
fn hash(value: &Value<'_>) -> Outcome {
    let Some((theirs, salt)) = value.inner.split_once(SALT) else {
        return Outcome::Refused("the name of the property needs an algorithm and .with.salt.".to_owned());
    };
    let Some((_, algorithm)) = ALGORITHMS
        .iter()
        .find(|(java, _)| java.eq_ignore_ascii_case(theirs))
    else {
        return Outcome::Refused(format!("{theirs} is not a supported algorithm"));
    };
    let properties = value.given.connector.iter().map(|(property, _)| property);
    let mut salts = properties
        .filter(|property| property.starts_with("column.mask.hash."))
        .filter_map(|property| property.split_once(SALT));
    if salts.any(|(_, other)| other != salt) {
        return Outcome::Refused("several salts are given: write the rules of [[columns.hash]] manually, each with a variable for its salt".to_owned());
    }
    let version = if value.property.contains(".hash.v2.") {
        "v2"
    } else {
        "v1"
    };
    let mut outcome = entries(value, "columns.hash", |entry| {
        entry.insert("algorithm".to_owned(), (*algorithm).into());
        entry.insert("salt".to_owned(), "${WALCAST_SALT}".into());
        entry.insert("version".to_owned(), version.into());
    });
    if let Outcome::Lines(lines) | Outcome::Partly(lines, _) = &mut outcome {
        for line in lines {
            line.by_hand =
                Some("the salt is never copied: set the environment variable WALCAST_SALT".to_owned());
        }
    }
    outcome
}

/// An entry of an array of tables with the columns of a list, all of which are hidden or shortened.
fn entries(value: &Value<'_>, key: &str, complete: impl FnOnce(&mut toml::Table)) -> Outcome {
    let columns = regex_list::all(value.text, regex_list::as_expression);
    if columns.known.is_empty() {
        return Outcome::of(Vec::new(), &columns.problems);
    }
    let mut entry = toml::Table::new();
    entry.insert("columns".to_owned(), columns.known.into());
    complete(&mut entry);
    let line = Setting::new(key, vec![toml::Value::Table(entry)]);
    Outcome::of(vec![line], &columns.problems)
}

/// Translates `table:column,column;table:column`.
fn keys(value: &Value<'_>) -> Outcome {
    let mut entries: Vec<toml::Value> = Vec::new();
    let mut problems = Vec::new();
    for part in value
        .text
        .split(';')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        match key(part) {
            Ok(entry) => entries.push(entry.into()),
            Err(problem) => problems.push(problem),
        }
    }
    let lines = match entries.is_empty() {
        true => Vec::new(),
        false => vec![Setting::new("keys", entries)],
    };
    Outcome::of(lines, &problems)
}

fn key(part: &str) -> Result<toml::Table, String> {
    let (table, columns) = part
        .split_once(':')
        .ok_or_else(|| format!("{part} is not table:columns"))?;
    let columns: Vec<String> = columns
        .split(',')
        .map(|column| column.trim().to_owned())
        .collect();
    let mut entry = toml::Table::new();
    entry.insert("tables".to_owned(), regex_list::table(table.trim())?.into());
    entry.insert("columns".to_owned(), columns.into());
    // For a delete whose old row lacks the columns, Debezium sends the fallback values of their types.
    entry.insert("missing".to_owned(), "fill".into());
    Ok(entry)
}
