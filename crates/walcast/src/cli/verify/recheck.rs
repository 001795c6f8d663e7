//! Reading the differences that an earlier comparison has listed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use walcast_verify::Digest;

use crate::exit::UsageError;

/// The part of a report that is read again.
#[derive(Deserialize)]
struct Listed {
    differences: Vec<ListedDifference>,
}

#[derive(Deserialize)]
struct ListedDifference {
    topic: String,
    #[serde(default)]
    digest: Option<String>,
}

/// Keys to be compared again, by topic.
pub(super) type Again = BTreeMap<String, BTreeSet<Digest>>;

/// Reads the file of an earlier `walcast verify --json`.
pub(super) fn read(path: &Path) -> Result<Again, UsageError> {
    let wrong = |reason: String| UsageError(format!("--recheck {}: {reason}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    parse(&text).map_err(wrong)
}

fn parse(text: &str) -> Result<Again, String> {
    let listed: Listed = serde_json::from_str(text)
        .map_err(|error| format!("it is not the output of walcast verify --json: {error}"))?;
    let mut again = Again::new();
    for difference in listed.differences {
        let Some(digest) = difference.digest else { continue };
        let digest = u128::from_str_radix(&digest, 16).map_err(|_| format!("{digest:?} is no digest"))?;
        let digests = again.entry(difference.topic).or_default();
        digests.insert(Digest::from_bytes(digest.to_be_bytes()));
    }
    match again.is_empty() {
        true => Err("it lists no key that differs".to_owned()),
        false => Ok(again),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_keys_are_read_by_topic() {
        let text = r#"{"certificate": {}, "differences": [
            {"topic": "a", "kind": "missing", "digest": "0000000000000000000000000000000a"},
            {"topic": "a", "kind": "extra", "digest": "0000000000000000000000000000000b"},
            {"topic": "b", "kind": "repeated", "partition": 0}]}"#;
        let again = parse(text).unwrap();
        assert_eq!(again.len(), 1);
        let digest = |last: u8| {
            let mut bytes = [0; 16];
            bytes[15] = last;
            Digest::from_bytes(bytes)
        };
        assert_eq!(again["a"], [digest(10), digest(11)].into());
    }

    #[test]
    fn other_files_are_rejected() {
        for text in [
            "",
            "{}",
            r#"{"differences": []}"#,
            r#"{"differences": [{"topic": "a", "digest": "x"}]}"#,
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
