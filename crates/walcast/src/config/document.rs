//! Parsed configuration file: checks the keys, expands variables, and records the position of each key for later errors.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Fault, Place, TableLabel};
use super::expand::{Lookup, expand};
use super::presets;
use super::raw::RawConfig;
use super::tables::{Keys, Table, hint, tables};

/// Configuration file with the position and the literal text of each key.
pub(crate) struct Document<'t> {
    file: String,
    text: &'t str,
    spans: BTreeMap<String, Range<usize>>,
    /// Text of each string before variables are expanded, by key.
    literals: BTreeMap<String, String>,
}

impl<'t> Document<'t> {
    /// Parses `text`, the content of `file`.
    ///
    /// # Errors
    /// The text is not TOML, or contains an unknown key or an unset variable.
    pub(crate) fn read(
        file: &str,
        text: &'t str,
        lookup: Lookup<'_>,
    ) -> Result<(Self, RawConfig), ConfigError> {
        let mut document = Document {
            file: file.to_owned(),
            text,
            spans: BTreeMap::new(),
            literals: BTreeMap::new(),
        };
        let mut root = DeTable::parse(text).map_err(|error| document.toml_error(&error))?;
        document.visit_table(&tables(), "", "", root.get_mut(), lookup)?;
        presets::expand(root.get_mut());
        let raw = RawConfig::deserialize(toml::de::Deserializer::from(root))
            .map_err(|error| document.toml_error(&error))?;
        Ok((document, raw))
    }

    /// Error about the value of `key` (`table.key`), or about the whole file if the file does not contain the key.
    pub(crate) fn error_at(&self, key: &str, fault: Fault) -> ConfigError {
        ConfigError::Content {
            place: self.place_of(key),
            fault: Box::new(fault),
        }
    }

    /// Name of the file.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    /// Keys of strings with their literal texts, in which variables are empty.
    pub(crate) fn written(&self) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        // An invalid reference was reported when the file was read.
        self.literals
            .iter()
            .filter_map(|(key, text)| Some((key.as_str(), expand(text, &|_| Ok(String::new())).ok()?)))
    }

    /// Keys of the file, with the indexes of arrays, and the keys of their tables.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.spans.keys().map(String::as_str)
    }

    /// Text of a string before variables are expanded; `None` for a key that holds no string.
    pub(crate) fn literal(&self, key: &str) -> Option<&str> {
        self.literals.get(key).map(String::as_str)
    }

    /// Position of `key`.
    pub(crate) fn place_of(&self, key: &str) -> Place {
        self.place(self.spans.get(key).cloned())
    }

    /// Visits a table. `path` is its name; `place` is the name with the indexes of repeated tables.
    fn visit_table(
        &mut self,
        tables: &[Table],
        path: &str,
        place: &str,
        table: &mut DeTable<'t>,
        lookup: Lookup<'_>,
    ) -> Result<(), ConfigError> {
        let described = tables.iter().find(|known| known.path == path);
        let known = described.map(|known| known.keys);
        for (key, value) in table.iter_mut() {
            if let Some(Keys::Known(keys)) = known
                && !keys.contains(&key.get_ref().as_ref())
            {
                let name = key.get_ref().to_string();
                let hint = hint(tables, path, &name, keys);
                let fault = Fault::UnknownKey {
                    key: name,
                    table: described.map_or_else(TableLabel::default, Table::label),
                    hint,
                };
                return Err(ConfigError::Content {
                    place: self.place(Some(key.span())),
                    fault: Box::new(fault),
                });
            }
            let below = |above: &str| {
                if above.is_empty() {
                    key.get_ref().to_string()
                } else {
                    format!("{above}.{}", key.get_ref())
                }
            };
            let (path, place) = (below(path), below(place));
            self.spans.insert(place.clone(), key.span());
            self.visit_value(tables, &path, &place, value, lookup)?;
        }
        Ok(())
    }

    fn visit_value(
        &mut self,
        tables: &[Table],
        path: &str,
        place: &str,
        value: &mut Spanned<DeValue<'t>>,
        lookup: Lookup<'_>,
    ) -> Result<(), ConfigError> {
        let span = value.span();
        match value.get_mut() {
            DeValue::Table(table) => self.visit_table(tables, path, place, table, lookup),
            DeValue::Array(array) => array.iter_mut().enumerate().try_for_each(|(index, element)| {
                let place = format!("{place}[{index}]");
                self.spans.insert(place.clone(), element.span());
                self.visit_value(tables, path, &place, element, lookup)
            }),
            DeValue::String(text) => {
                self.literals.insert(place.to_owned(), text.to_string());
                let expanded =
                    expand(text, lookup)
                        .map(Cow::into_owned)
                        .map_err(|source| ConfigError::Content {
                            place: self.place(Some(span)),
                            fault: Box::new(Fault::Expand {
                                key: path.to_owned(),
                                source,
                            }),
                        })?;
                *text = Cow::Owned(expanded);
                Ok(())
            }
            DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => Ok(()),
        }
    }

    fn toml_error(&self, error: &toml::de::Error) -> ConfigError {
        let message = error.message().lines().collect::<Vec<_>>().join("; ");
        ConfigError::Content {
            place: self.place(error.span()),
            fault: Box::new(Fault::Toml { message }),
        }
    }

    fn place(&self, span: Option<Range<usize>>) -> Place {
        let before = span.and_then(|span| self.text.get(..span.start));
        let line_and_column = before.map(|before| {
            let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
            let line = before.matches('\n').count() + 1;
            (
                line,
                before.get(line_start..).unwrap_or_default().chars().count() + 1,
            )
        });
        Place {
            file: self.file.clone(),
            line_and_column,
        }
    }
}
