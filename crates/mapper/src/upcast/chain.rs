//! Chains of upcasters: from each version of a type to the current one.

use std::collections::{BTreeMap, BTreeSet};

use super::document::Object;
use super::upcaster::{SchemaVersion, Upcaster};

/// Upcasters of one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chain {
    pub(crate) current: String,
    /// Upcaster of each older version.
    upcasters: BTreeMap<String, Upcaster>,
}

/// Error in the upcasters of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ChainError {
    /// Two upcasters change one version.
    Twice(Upcaster),
    /// The upcasters of the type do not lead to one version.
    End(String),
}

/// The chain of each type.
pub(crate) fn chains(upcasters: &[Upcaster]) -> Result<BTreeMap<String, Chain>, ChainError> {
    let mut by_type: BTreeMap<&str, BTreeMap<String, Upcaster>> = BTreeMap::new();
    for upcaster in upcasters {
        let of_type = by_type.entry(&upcaster.event_type).or_default();
        if of_type
            .insert(upcaster.from.0.clone(), upcaster.clone())
            .is_some()
        {
            return Err(ChainError::Twice(upcaster.clone()));
        }
    }
    let chains = by_type.into_iter().map(|(event_type, upcasters)| {
        let chain = Chain::new(upcasters).map(|chain| (event_type.to_owned(), chain));
        chain.ok_or_else(|| ChainError::End(event_type.to_owned()))
    });
    chains.collect()
}

impl Chain {
    /// The chain of upcasters that all lead to one version.
    fn new(upcasters: BTreeMap<String, Upcaster>) -> Option<Self> {
        let targets = upcasters.values().map(|upcaster| &upcaster.to.0);
        let ends: BTreeSet<&String> = targets.filter(|to| !upcasters.contains_key(*to)).collect();
        let mut ends = ends.into_iter();
        let (Some(current), None) = (ends.next(), ends.next()) else {
            return None;
        };
        let chain = Self {
            current: current.clone(),
            upcasters: upcasters.clone(),
        };
        let mut versions = upcasters.keys();
        versions.all(|from| chain.reaches_current(from)).then_some(chain)
    }

    /// Whether the upcasters lead from a version to the current one, and not in a circle.
    fn reaches_current(&self, from: &str) -> bool {
        let mut version = from;
        for _ in 0..=self.upcasters.len() {
            match self.upcasters.get(version) {
                Some(Upcaster {
                    to: SchemaVersion(to),
                    ..
                }) => version = to,
                None => return version == self.current,
            }
        }
        false
    }

    /// Changes a payload of a version into one of the current version.
    pub(crate) fn apply(&self, version: &str, payload: &mut Object) -> Result<(), String> {
        let mut version = version;
        if !self.upcasters.contains_key(version) {
            return Err("no upcaster leads from this version to the current one".to_owned());
        }
        while let Some(upcaster) = self.upcasters.get(version) {
            let applied = upcaster.apply(payload);
            applied.map_err(|problem| format!("{} to {}, {problem}", upcaster.from, upcaster.to))?;
            version = &upcaster.to.0;
        }
        Ok(())
    }
}
