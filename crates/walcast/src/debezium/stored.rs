//! Offsets stored by Kafka Connect, and the selection of the connector's offset.

use std::collections::HashMap;

use super::java_map::{self, JavaError};
use super::offset::{Offset, OffsetError};

/// Stored offset of a connector.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    /// Name of the connector.
    pub(crate) connector: String,
    /// `topic.prefix` of the connector.
    pub(crate) server: String,
    value: Vec<u8>,
}

/// Error: the offset of the connector cannot be determined.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoredError {
    /// The file is not an offset file of a standalone worker.
    #[error(transparent)]
    File(#[from] JavaError),
    /// No stored offset matches.
    #[error("no offset of a connector with topic.prefix {server:?}{} is stored; stored are {found}", of(.connector))]
    None {
        /// Requested `topic.prefix`.
        server: String,
        /// Requested connector name, if any.
        connector: Option<String>,
        /// Connectors with a stored offset.
        found: String,
    },
    /// Several stored offsets match.
    #[error("several connectors have topic.prefix {server:?}: select one with --connector ({found})")]
    Several {
        /// Requested `topic.prefix`.
        server: String,
        /// Connectors with a matching offset.
        found: String,
    },
}

fn of(connector: &Option<String>) -> String {
    connector
        .as_ref()
        .map(|name| format!(" and name {name:?}"))
        .unwrap_or_default()
}

/// Reads the offset file of a standalone worker.
///
/// # Errors
/// The file is not an offset file.
pub(crate) fn in_file(bytes: &[u8]) -> Result<Vec<Stored>, StoredError> {
    let entries = java_map::read(bytes)?;
    Ok(entries
        .into_iter()
        .filter_map(|(key, value)| stored(&key, value?))
        .collect())
}

/// Reads the records of the offsets topic of a distributed worker.
pub(crate) fn in_records(records: HashMap<Vec<u8>, Vec<u8>>) -> Vec<Stored> {
    records
        .into_iter()
        .filter_map(|(key, value)| stored(&key, value))
        .collect()
}

/// Decodes an entry with the key `["connector",{"server":"prefix"}]`; keys of other connector classes have another form.
fn stored(key: &[u8], value: Vec<u8>) -> Option<Stored> {
    let key: serde_json::Value = serde_json::from_slice(key).ok()?;
    let [connector, partition] = key.as_array()?.as_slice() else {
        return None;
    };
    let server = partition.get("server")?.as_str()?;
    // Connect writes this value for an offset that was reset.
    if value == b"null" {
        return None;
    }
    Some(Stored {
        connector: connector.as_str()?.to_owned(),
        server: server.to_owned(),
        value,
    })
}

impl Stored {
    /// Selects the offset of the connector with the `topic.prefix` `server`.
    ///
    /// # Errors
    /// No offset matches, or several offsets match and no connector name is given.
    pub(crate) fn choose(
        all: Vec<Stored>,
        server: &str,
        connector: Option<&str>,
    ) -> Result<Stored, StoredError> {
        let describe = |all: &[Stored]| {
            let mut names: Vec<String> = all
                .iter()
                .map(|stored| format!("{} (topic.prefix {})", stored.connector, stored.server))
                .collect();
            names.sort_unstable();
            if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            }
        };
        let fits = |stored: &&Stored| {
            stored.server == server && connector.is_none_or(|name| name == stored.connector)
        };
        let fitting: Vec<Stored> = all.iter().filter(fits).cloned().collect();
        match fitting.as_slice() {
            [only] => Ok(only.clone()),
            [] => Err(StoredError::None {
                server: server.to_owned(),
                connector: connector.map(str::to_owned),
                found: describe(&all),
            }),
            several => Err(StoredError::Several {
                server: server.to_owned(),
                found: describe(several),
            }),
        }
    }

    /// Decodes the offset.
    ///
    /// # Errors
    /// The offset is not one of the Postgres connector.
    pub(crate) fn offset(&self) -> Result<Offset, OffsetError> {
        Offset::read(&self.value)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn records(keys: &[&str]) -> Vec<Stored> {
        in_records(
            keys.iter()
                .map(|key| (key.as_bytes().to_vec(), b"{}".to_vec()))
                .collect(),
        )
    }

    #[test]
    fn the_connector_is_found_by_its_prefix() {
        let all = records(&[
            r#"["shop-source",{"server":"shop"}]"#,
            r#"["crm-source",{"server":"crm"}]"#,
            r#"["files",{"filename":"/etc/passwd"}]"#,
            "no json",
        ]);
        assert_eq!(all.len(), 2);
        assert_eq!(
            Stored::choose(all, "shop", None).unwrap().connector,
            "shop-source"
        );
    }

    #[test]
    fn an_ambiguous_or_missing_offset_is_an_error() {
        let all = || records(&[r#"["a",{"server":"shop"}]"#, r#"["b",{"server":"shop"}]"#]);
        let several = Stored::choose(all(), "shop", None).unwrap_err();
        expect![[r#"several connectors have topic.prefix "shop": select one with --connector (a (topic.prefix shop), b (topic.prefix shop))"#]].assert_eq(&several.to_string());
        assert_eq!(Stored::choose(all(), "shop", Some("b")).unwrap().connector, "b");
        let none = Stored::choose(all(), "crm", Some("c")).unwrap_err();
        expect![[r#"no offset of a connector with topic.prefix "crm" and name "c" is stored; stored are a (topic.prefix shop), b (topic.prefix shop)"#]].assert_eq(&none.to_string());
        let empty = Stored::choose(Vec::new(), "crm", None).unwrap_err();
        expect![[r#"no offset of a connector with topic.prefix "crm" is stored; stored are none"#]]
            .assert_eq(&empty.to_string());
    }

    #[test]
    fn another_file_is_an_error() {
        let error = in_file(b"offsets").unwrap_err();
        assert!(matches!(error, StoredError::File(_)), "{error}");
        expect![
            "not an offset file of a standalone Connect worker: expected a serialized Java object at byte 0"
        ]
        .assert_eq(&error.to_string());
    }
}
