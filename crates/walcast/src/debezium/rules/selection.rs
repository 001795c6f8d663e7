//! Selection of tables and columns, and message keys.

use crate::debezium::draft::Setting;
use crate::debezium::regex_list;
use crate::debezium::rule::Translate::{By, WithAnother};
use crate::debezium::rule::{Outcome, Rule, Value, becomes, not_needed};

const TABLES: &str = "postgres.tables";
const EXCLUDE: &str = "postgres.exclude";

pub(super) const RULES: &[Rule] = &[
    becomes("table.include.list", TABLES, By(tables))
        .default("")
        .always(),
    becomes("table.exclude.list", EXCLUDE, WithAnother).default(""),
    becomes("schema.include.list", TABLES, WithAnother).default(""),
    becomes("schema.exclude.list", EXCLUDE, WithAnother).default(""),
    not_needed(
        "table.ignore.builtin",
        "the system's own schemas are never captured",
    )
    .default("true"),
    becomes("column.include.list", "columns.include", By(columns)).default(""),
    becomes("column.exclude.list", "columns.exclude", By(columns)).default(""),
    becomes("column.mask.with.*.chars", "columns.mask", By(sized)),
    becomes("column.truncate.to.*.chars", "columns.truncate", By(sized)),
    becomes("column.mask.hash.v2.*", "columns.hash", By(hash)),
    becomes("column.mask.hash.*", "columns.hash", By(hash)),
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
    becomes("message.key.columns", "keys", By(keys)).default(""),
];

/// Translates the lists of schemas and tables together: Debezium captures a table that passes both.
fn tables(value: &Value<'_>) -> Outcome {
    let list = |property| value.given.connector(property).unwrap_or("").trim();
    let (included, excluded) = (list("table.include.list"), list("table.exclude.list"));
    let (in_schemas, out_of_schemas) = (list("schema.include.list"), list("schema.exclude.list"));
    if (!included.is_empty() && !excluded.is_empty())
        || (!in_schemas.is_empty() && !out_of_schemas.is_empty())
    {
        return Outcome::Refused(
            "an include list and an exclude list of the same kind are given, which Debezium rejects too"
                .to_owned(),
        );
    }
    let tables = match (included.is_empty(), in_schemas.is_empty()) {
        (true, true) => Ok((vec!["*.*".to_owned()], vec!["table.include.list"])),
        (false, true) => {
            regex_list::all(included, regex_list::table).map(|tables| (tables, vec!["table.include.list"]))
        }
        (true, false) => regex_list::all(in_schemas, regex_list::schema)
            .map(|tables| (tables, vec!["schema.include.list"])),
        (false, false) => both(included, in_schemas)
            .map(|tables| (tables, vec!["table.include.list", "schema.include.list"])),
    };
    let exclude = regex_list::all(excluded, regex_list::table).and_then(|mut tables| {
        tables.extend(regex_list::all(out_of_schemas, regex_list::schema)?);
        Ok(tables)
    });
    match (tables, exclude) {
        (Ok((tables, from)), Ok(exclude)) => {
            let mut lines = vec![Setting::new(TABLES, tables).from(&from)];
            if !exclude.is_empty() {
                let from: Vec<&str> = ["table.exclude.list", "schema.exclude.list"]
                    .into_iter()
                    .filter(|property| !list(property).is_empty())
                    .collect();
                lines.push(Setting::new(EXCLUDE, exclude).from(&from));
            }
            Outcome::Lines(lines)
        }
        (Err(problem), _) | (_, Err(problem)) => Outcome::Refused(problem),
    }
}

/// Intersects plain table names with plain schemas. The intersection of regular expressions cannot be computed.
fn both(tables: &str, schemas: &str) -> Result<Vec<String>, String> {
    let tables = regex_list::all(tables, regex_list::table)?;
    let schemas = regex_list::all(schemas, regex_list::schema)?;
    let schema_of = |pattern: &str| pattern.split_once('.').map(|(schema, _)| schema.to_owned());
    let is_plain = |pattern: &String| {
        !pattern.starts_with('/') && schema_of(pattern).is_some_and(|schema| !schema.contains('*'))
    };
    if !tables.iter().chain(&schemas).all(is_plain) {
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
    match regex_list::all(value.text, column) {
        Ok(columns) => Outcome::line(Setting::new(key_of(value.property), columns)),
        Err(problem) => Outcome::Refused(problem),
    }
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
    if let Outcome::Lines(lines) = &mut outcome {
        for line in lines {
            line.by_hand =
                Some("the salt is never copied: set the environment variable WALCAST_SALT".to_owned());
        }
    }
    outcome
}

fn entries(value: &Value<'_>, key: &str, complete: impl FnOnce(&mut toml::Table)) -> Outcome {
    match regex_list::all(value.text, column) {
        Ok(columns) => {
            let mut entry = toml::Table::new();
            entry.insert("columns".to_owned(), columns.into());
            complete(&mut entry);
            Outcome::line(Setting::new(key, vec![toml::Value::Table(entry)]))
        }
        Err(problem) => Outcome::Refused(problem),
    }
}

/// Translates `table:column,column;table:column`.
fn keys(value: &Value<'_>) -> Outcome {
    let mut entries: Vec<toml::Value> = Vec::new();
    for part in value
        .text
        .split(';')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let Some((table, columns)) = part.split_once(':') else {
            return Outcome::Refused(format!("{part} is not table:columns"));
        };
        let columns: Vec<String> = columns
            .split(',')
            .map(|column| column.trim().to_owned())
            .collect();
        match regex_list::table(table.trim()) {
            Ok(table) => {
                let mut entry = toml::Table::new();
                entry.insert("tables".to_owned(), table.into());
                entry.insert("columns".to_owned(), columns.into());
                // For a delete whose old row lacks the columns, Debezium sends the fallback values of their types.
                entry.insert("missing".to_owned(), "fill".into());
                entries.push(entry.into());
            }
            Err(problem) => return Outcome::Refused(problem),
        }
    }
    Outcome::line(Setting::new("keys", entries))
}
