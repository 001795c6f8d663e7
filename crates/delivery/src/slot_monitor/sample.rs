//! Sample of a slot and of WAL, as plain values.

use std::time::Duration;

use walcast_pgoutput::Lsn;

use crate::source_state::WalStatus;

/// WAL that a slot retains, and what the server reports about its limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalSample {
    /// End of the server's WAL.
    pub end: Lsn,
    /// Oldest WAL that the slot needs (`restart_lsn`); `None`: the slot was invalidated.
    pub restart_lsn: Option<Lsn>,
    /// Position up to which the slot is confirmed.
    pub confirmed_flush_lsn: Option<Lsn>,
    /// Availability of the WAL that the slot needs; `None` on servers before version 13.
    pub status: Option<WalStatus>,
    /// `max_slot_wal_keep_size` in bytes; `None`: unlimited, as on every server before version 13.
    pub keep_size: Option<u64>,
    /// Bytes that can be written before the slot is invalidated; `None`: no limit, or a server before version 13.
    pub safe_wal_size: Option<i64>,
    /// Time for which the slot has been unused (version 17 and later); `None`: the slot is in use, or the server does
    /// not report it.
    pub inactive: Option<Duration>,
    /// `idle_replication_slot_timeout` (version 18 and later); `None`: no timeout.
    pub idle_timeout: Option<Duration>,
    /// Age in transactions of the oldest transaction whose catalog rows the slot keeps from `VACUUM`.
    pub catalog_xmin_age: Option<u64>,
    /// Physical slots of `synchronized_standby_slots` from which no standby streams (version 17 and later): the server
    /// sends no changes before these standbys have received them. Empty for a slot that is not a failover slot.
    pub awaited_standbys: Vec<String>,
    /// `max_wal_size` in bytes, up to which the server keeps WAL independently of slots.
    pub max_wal_size: u64,
    /// Size of `pg_wal`.
    pub directory: WalDirectory,
}

/// Size of `pg_wal`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WalDirectory {
    /// Not requested, because no limit depends on it.
    NotAsked,
    /// Not visible to the role.
    NotPermitted {
        /// Name of the role.
        role: String,
    },
    /// Total size of its files in bytes.
    Bytes(u64),
}

impl WalSample {
    /// Bytes of WAL retained since `restart_lsn`.
    #[must_use]
    pub fn retained_bytes(&self) -> u64 {
        self.restart_lsn
            .map_or(0, |restart| self.end.as_u64().saturating_sub(restart.as_u64()))
    }

    /// Size of `pg_wal`, if known.
    #[must_use]
    pub fn directory_bytes(&self) -> Option<u64> {
        match self.directory {
            WalDirectory::Bytes(bytes) => Some(bytes),
            WalDirectory::NotAsked | WalDirectory::NotPermitted { .. } => None,
        }
    }
}
