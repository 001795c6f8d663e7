//! Keys of rows that may not exist any more.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Previous key of a row, as WAL contained it: values by column.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FormerKey(pub BTreeMap<String, String>);
