//! What one look at the slot and the log finds, as plain values.

use std::time::Duration;

use walcast_pgoutput::Lsn;

use crate::WalStatus;

/// The log that a slot holds back, and what the server says about how long it will.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalLook {
    /// The end of the server's log.
    pub end: Lsn,
    /// The oldest log that the slot needs; `None`: it was invalidated.
    pub restart_lsn: Option<Lsn>,
    /// What the slot was told.
    pub confirmed_flush_lsn: Option<Lsn>,
    /// Whether that log is there; servers before 13 do not tell.
    pub status: Option<WalStatus>,
    /// `max_slot_wal_keep_size` in bytes; `None`: unlimited, as on every server before 13.
    pub keep_size: Option<u64>,
    /// Bytes that can be written before the slot is given up; `None`: no limit, or before 13.
    pub safe_wal_size: Option<i64>,
    /// How long nobody has streamed from the slot (17 and later); `None`: somebody does, or the server does not tell.
    pub inactive: Option<Duration>,
    /// `idle_replication_slot_timeout` (18 and later); `None`: there is none.
    pub idle_timeout: Option<Duration>,
    /// Transactions since the oldest whose catalog rows the slot keeps from `VACUUM`.
    pub catalog_xmin_age: Option<u64>,
    /// Physical slots of `synchronized_standby_slots` from which no standby streams (17 and later): nothing is sent before these have
    /// it. Empty for a slot that is no failover slot.
    pub awaited_standbys: Vec<String>,
    /// `max_wal_size` in bytes: so much of its directory the server fills whatever slots do.
    pub max_wal_size: u64,
    /// The size of the log's directory.
    pub directory: WalDirectory,
}

/// The size of `pg_wal`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WalDirectory {
    /// It was not asked for: nothing depends on it.
    NotAsked,
    /// The role may not see it.
    NotPermitted {
        /// The role.
        role: String,
    },
    /// All of its files together.
    Bytes(u64),
}

impl WalLook {
    /// Log from the oldest that the slot needs to the end.
    #[must_use]
    pub fn retained_bytes(&self) -> u64 {
        self.restart_lsn
            .map_or(0, |restart| self.end.as_u64().saturating_sub(restart.as_u64()))
    }

    /// The size of `pg_wal`, where it is known.
    #[must_use]
    pub fn directory_bytes(&self) -> Option<u64> {
        match self.directory {
            WalDirectory::Bytes(bytes) => Some(bytes),
            WalDirectory::NotAsked | WalDirectory::NotPermitted { .. } => None,
        }
    }
}
