//! Further columns of outboxes, which are sent beside the payload.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Further column of an outbox table, written `column:placement` or `column:placement:name`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AdditionalField {
    /// The column.
    pub column: String,
    /// Place of its value.
    pub placement: Placement,
    /// Name of the header or the field; `None`: the name of the column.
    pub alias: Option<String>,
}

impl AdditionalField {
    /// Name of the header or the field.
    #[must_use]
    pub fn name(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.column)
    }
}

/// Place of the value of a further column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// A header of the record.
    Header,
    /// A field of the value, beside the payload.
    Envelope,
    /// The number of the partition.
    Partition,
}

const PLACEMENTS: [(&str, Placement); 3] = [
    ("header", Placement::Header),
    ("envelope", Placement::Envelope),
    ("partition", Placement::Partition),
];

/// Text that is not an [`AdditionalField`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not column:placement or column:placement:name, where placement is header, envelope or partition"
)]
pub struct AdditionalFieldError(String);

impl FromStr for AdditionalField {
    type Err = AdditionalFieldError;

    fn from_str(text: &str) -> Result<Self, AdditionalFieldError> {
        let wrong = || AdditionalFieldError(text.to_owned());
        let parts: Vec<&str> = text.split(':').map(str::trim).collect();
        let (column, placement, alias) = match parts.as_slice() {
            [column, placement] => (*column, *placement, None),
            [column, placement, alias] if !alias.is_empty() => {
                (*column, *placement, Some((*alias).to_owned()))
            }
            _ => return Err(wrong()),
        };
        let mut known = PLACEMENTS.iter();
        let (_, placement) = known
            .find(|(name, _)| name.eq_ignore_ascii_case(placement))
            .filter(|_| !column.is_empty())
            .ok_or_else(wrong)?;
        Ok(Self {
            column: column.to_owned(),
            placement: *placement,
            alias,
        })
    }
}

impl TryFrom<String> for AdditionalField {
    type Error = AdditionalFieldError;

    fn try_from(text: String) -> Result<Self, AdditionalFieldError> {
        text.parse()
    }
}

impl From<AdditionalField> for String {
    fn from(field: AdditionalField) -> Self {
        field.to_string()
    }
}

impl fmt::Display for AdditionalField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let placement = PLACEMENTS.iter().find(|(_, known)| *known == self.placement);
        let placement = placement.map_or("", |(name, _)| *name);
        write!(f, "{}:{placement}", self.column)?;
        match &self.alias {
            Some(alias) => write!(f, ":{alias}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::AdditionalField;

    #[test]
    fn further_columns_are_written_as_they_were_read() {
        for text in ["type:header:eventType", "tenant:envelope", "part:partition"] {
            let field: AdditionalField = text.parse().unwrap();
            assert_eq!(field.to_string(), text);
        }
        let field: AdditionalField = " type : HEADER ".parse().unwrap();
        assert_eq!(
            (field.to_string().as_str(), field.name()),
            ("type:header", "type")
        );
        for text in ["type", "type:body", ":header", "a:header:b:c", "a:header:", ""] {
            assert!(text.parse::<AdditionalField>().is_err(), "{text:?}");
        }
    }
}
