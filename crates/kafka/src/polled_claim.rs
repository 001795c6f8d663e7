//! Records of the checkpoint topic with the claims of workers.
//!
//! Key `<name>#poll/<worker>` holds the last claim of a worker. The values are JSON with a version.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use walcast_delivery::{Checkpoint, Claim, RowKey};
use walcast_mapper::TableName;
use walcast_pgoutput::Oid;

use crate::checkpoint::{CheckpointRecord, claim_key, worker_of};
use crate::error::KafkaError;

/// Stored form of a claim.
#[derive(Serialize, Deserialize)]
struct StoredClaim {
    version: u32,
    namespace: String,
    table: String,
    oid: u32,
    keys: Vec<Vec<String>>,
}

/// Record of a worker's claim.
pub(crate) fn claim_record(
    connector: &str,
    worker: u32,
    claim: &Claim,
) -> Result<CheckpointRecord, KafkaError> {
    let key = claim_key(connector, worker);
    let stored = StoredClaim {
        version: Checkpoint::VERSION,
        namespace: claim.name.namespace.clone(),
        table: claim.name.name.clone(),
        oid: claim.table.as_u32(),
        keys: claim.keys.iter().map(|key| key.0.clone()).collect(),
    };
    match serde_json::to_string(&stored) {
        Ok(value) => Ok(CheckpointRecord {
            key,
            value: Some(value),
        }),
        Err(source) => Err(KafkaError::CheckpointUnreadable { key, source }),
    }
}

/// Last claim of each worker of one connector.
#[derive(Debug)]
pub(crate) struct LastClaims<'a> {
    connector: &'a str,
    claims: BTreeMap<u32, Vec<u8>>,
}

impl<'a> LastClaims<'a> {
    pub(crate) fn of(connector: &'a str) -> Self {
        Self {
            connector,
            claims: BTreeMap::new(),
        }
    }

    /// Applies the next record of the topic; other records are ignored.
    pub(crate) fn apply(&mut self, key: &[u8], value: Option<&[u8]>) {
        let key = std::str::from_utf8(key).ok();
        let worker = key.and_then(|key| worker_of(key.strip_prefix(self.connector)?));
        let Some(worker) = worker else { return };
        match value {
            Some(value) => self.claims.insert(worker, value.to_owned()),
            None => self.claims.remove(&worker),
        };
    }

    /// Decodes the claims.
    pub(crate) fn into_claims(self) -> Result<BTreeMap<u32, Claim>, KafkaError> {
        let decode = |(worker, value): (u32, Vec<u8>)| {
            let stored: StoredClaim =
                serde_json::from_slice(&value).map_err(|source| KafkaError::CheckpointUnreadable {
                    key: claim_key(self.connector, worker),
                    source,
                })?;
            if stored.version > Checkpoint::VERSION {
                return Err(KafkaError::CheckpointVersion {
                    found: stored.version,
                    known: Checkpoint::VERSION,
                });
            }
            let claim = Claim {
                table: Oid::new(stored.oid),
                name: TableName {
                    namespace: stored.namespace,
                    name: stored.table,
                },
                keys: stored.keys.into_iter().map(RowKey).collect(),
            };
            Ok((worker, claim))
        };
        self.claims.into_iter().map(decode).collect()
    }
}

#[cfg(test)]
mod tests {
    use walcast_delivery::{Claim, RowKey};
    use walcast_mapper::TableName;
    use walcast_pgoutput::Oid;

    use super::{LastClaims, claim_record};

    fn claim(keys: &[&str]) -> Claim {
        Claim {
            table: Oid::new(16_400),
            name: TableName {
                namespace: "public".to_owned(),
                name: "outbox \"events\"".to_owned(),
            },
            keys: keys.iter().map(|key| RowKey(vec![(*key).to_owned()])).collect(),
        }
    }

    #[test]
    fn the_last_claim_of_each_worker_is_read() {
        let mut last = LastClaims::of("shop");
        let mut store = |connector: &str, worker, claim: &Claim| {
            let record = claim_record(connector, worker, claim).unwrap();
            last.apply(record.key.as_bytes(), record.value.as_deref().map(str::as_bytes));
        };
        store("shop", 0, &claim(&["1", "2"]));
        store("shop", 11, &claim(&["3"]));
        store("shop", 0, &claim(&["4"]));
        store("shop_eu", 0, &claim(&["5"]));
        store("shop", 2, &Claim::none());
        last.apply(b"shop", Some(b"{}"));
        last.apply(b"shop#poll/x", Some(b"{}"));
        last.apply(b"shop#poll/11", None);
        let claims = last.into_claims().unwrap();
        assert_eq!(claims.len(), 2, "{claims:?}");
        assert_eq!(claims.get(&0), Some(&claim(&["4"])));
        assert_eq!(claims.get(&2), Some(&Claim::none()));
    }

    #[test]
    fn a_claim_of_a_later_version_is_rejected() {
        let mut last = LastClaims::of("shop");
        let value = br#"{"version":99,"namespace":"","table":"","oid":0,"keys":[]}"#;
        last.apply(b"shop#poll/0", Some(value));
        let error = last.into_claims().unwrap_err();
        assert!(error.to_string().contains("99"), "{error}");
    }
}
