//! The offsets that Kafka Connect has stored, and which of them is the connector's.

use std::collections::HashMap;

use super::java_map::{self, JavaError};
use super::offset::{Offset, OffsetError};

/// One stored offset.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    /// The connector's name.
    pub(crate) connector: String,
    /// Its `topic.prefix`.
    pub(crate) server: String,
    value: Vec<u8>,
}

/// No offset can be told to be the connector's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoredError {
    /// The file is something else.
    #[error(transparent)]
    File(#[from] JavaError),
    /// There is none.
    #[error("there is no offset of a connector with topic.prefix {server:?}{}; there are {found}", of(.connector))]
    None {
        /// The prefix.
        server: String,
        /// The name, when given.
        connector: Option<String>,
        /// What there is.
        found: String,
    },
    /// There are several.
    #[error("several connectors have topic.prefix {server:?}: say which with --connector ({found})")]
    Several {
        /// The prefix.
        server: String,
        /// What there is.
        found: String,
    },
}

fn of(connector: &Option<String>) -> String {
    connector
        .as_ref()
        .map(|name| format!(" and name {name:?}"))
        .unwrap_or_default()
}

/// The offsets in the file of a standalone worker.
///
/// # Errors
/// It is no such file.
pub(crate) fn in_file(bytes: &[u8]) -> Result<Vec<Stored>, StoredError> {
    let entries = java_map::read(bytes)?;
    Ok(entries
        .into_iter()
        .filter_map(|(key, value)| stored(&key, value?))
        .collect())
}

/// The offsets in the offsets topic of a distributed worker.
pub(crate) fn in_records(records: HashMap<Vec<u8>, Vec<u8>>) -> Vec<Stored> {
    records
        .into_iter()
        .filter_map(|(key, value)| stored(&key, value))
        .collect()
}

/// A key is `["connector",{"server":"prefix"}]`; those of other kinds of connectors look otherwise.
fn stored(key: &[u8], value: Vec<u8>) -> Option<Stored> {
    let key: serde_json::Value = serde_json::from_slice(key).ok()?;
    let [connector, partition] = key.as_array()?.as_slice() else {
        return None;
    };
    let server = partition.get("server")?.as_str()?;
    // A value that Connect writes for an offset that was reset.
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
    /// The offset of the connector that writes under `server`.
    ///
    /// # Errors
    /// There is none, or several have the prefix and no name is given.
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

    /// What the offset says.
    ///
    /// # Errors
    /// It is not of the Postgres connector.
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
    fn what_is_not_clear_is_asked_for() {
        let all = || records(&[r#"["a",{"server":"shop"}]"#, r#"["b",{"server":"shop"}]"#]);
        let several = Stored::choose(all(), "shop", None).unwrap_err();
        expect![[r#"several connectors have topic.prefix "shop": say which with --connector (a (topic.prefix shop), b (topic.prefix shop))"#]].assert_eq(&several.to_string());
        assert_eq!(Stored::choose(all(), "shop", Some("b")).unwrap().connector, "b");
        let none = Stored::choose(all(), "crm", Some("c")).unwrap_err();
        expect![[r#"there is no offset of a connector with topic.prefix "crm" and name "c"; there are a (topic.prefix shop), b (topic.prefix shop)"#]].assert_eq(&none.to_string());
        let empty = Stored::choose(Vec::new(), "crm", None).unwrap_err();
        expect![[r#"there is no offset of a connector with topic.prefix "crm"; there are none"#]]
            .assert_eq(&empty.to_string());
    }
}
