//! States of a source for unit tests, which change what they are about.

use std::collections::{BTreeMap, BTreeSet};

use walcast_mapper::TableName;
use walcast_pgoutput::{Lsn, Oid, ReplicaIdentity};

use super::{CapturedTable, Partitions, Persistence, SourceState, SystemIdentifier, Timeline};

/// Captured table that can be published.
pub(crate) fn captured(name: TableName, oid: u32) -> CapturedTable {
    CapturedTable {
        name,
        oid: Oid::new(oid),
        persistence: Persistence::Permanent,
        replica_identity: ReplicaIdentity::Default,
        identifies_rows: true,
        identity_is_generated: false,
        unsent_key_columns: Vec::new(),
        is_named: true,
        partitions: None,
    }
}

/// Source that captures these tables and has neither slot nor publication.
pub(crate) fn source_state(captured: impl IntoIterator<Item = CapturedTable>) -> SourceState {
    SourceState {
        system_identifier: SystemIdentifier::new(7),
        timeline: Timeline::new(1),
        history: Vec::new(),
        server_version: 170_006,
        flush_lsn: Lsn::new(0x300),
        database: "shop".to_owned(),
        wal_level: "logical".to_owned(),
        slot: None,
        publication: None,
        captured: captured.into_iter().collect(),
        tables: BTreeSet::new(),
        partitions: Partitions::Root,
        unmatched_patterns: Vec::new(),
        denied: BTreeMap::new(),
        memberships: BTreeMap::new(),
    }
}
