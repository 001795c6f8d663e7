//! Reasons for which a bookmark cannot be made or dropped.

/// Reason for which a request about a bookmark is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BookmarkRejected {
    /// A bookmark cannot have this name.
    #[error("{name:?} cannot be the name of a bookmark: it must be 1 to {longest} of a-z, 0-9 and _")]
    InvalidName {
        /// The name.
        name: String,
        /// Longest name, in bytes.
        longest: usize,
    },
    /// The name is reserved for rolling bookmarks.
    #[error("{name:?} cannot be the name of a bookmark: names with {prefix} are those of rolling bookmarks")]
    ReservedName {
        /// The name.
        name: String,
        /// Reserved first part of names.
        prefix: &'static str,
    },
    /// A bookmark of this name exists.
    #[error("bookmark {name} exists already")]
    NameInUse {
        /// The name.
        name: String,
    },
    /// No bookmark has this name.
    #[error("there is no bookmark {name:?}{}", known_names(known))]
    Unknown {
        /// The name.
        name: String,
        /// Names of all bookmarks.
        known: Vec<String>,
    },
    /// The connector's slot cannot be copied.
    #[error(
        "slot {slot} does not exist or was invalidated, so there is no position that a bookmark could hold"
    )]
    NoSlot {
        /// Slot of the connector.
        slot: String,
    },
    /// All slots of the server are in use.
    #[error("the server has no free replication slot: max_replication_slots is reached")]
    NoFreeSlot,
    /// A rolling bookmark would take the last slot of the server.
    #[error(
        "a rolling bookmark does not take the last replication slot of the server: reading the rows of a table needs one for a moment"
    )]
    LastSlot,
    /// The bookmark would exceed the budget from the first moment.
    #[error(
        "slot {slot} retains {retained} bytes of WAL already, and a bookmark of its position would exceed the budget of {budget} bytes"
    )]
    OverBudget {
        /// Slot of the connector.
        slot: String,
        /// WAL that the slot retains.
        retained: u64,
        /// Budget of bookmarks.
        budget: u64,
    },
    /// The server no longer has the WAL of the bookmark.
    #[error("bookmark {name} was invalidated: the server no longer has its WAL")]
    Lost {
        /// The name.
        name: String,
    },
    /// The server removes the WAL of the bookmark at its next checkpoint.
    #[error(
        "bookmark {name} retains more WAL than max_slot_wal_keep_size allows: the next checkpoint of the server invalidates it and any copy of it"
    )]
    Unreserved {
        /// The name.
        name: String,
    },
    /// A client streams from the bookmark.
    #[error("bookmark {name} is in use: process {pid} of the server streams from it")]
    InUse {
        /// The name.
        name: String,
        /// The server's process.
        pid: i32,
    },
}

fn known_names(known: &[String]) -> String {
    if known.is_empty() {
        return "; there are none".to_owned();
    }
    format!("; there are {}", known.join(", "))
}
