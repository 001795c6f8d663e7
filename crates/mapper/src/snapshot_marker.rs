//! Debezium's marker of rows that were read by a snapshot.

/// Value of `source.snapshot`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SnapshotMarker {
    /// A change that was read from the WAL.
    #[default]
    None,
    /// A row of a snapshot.
    Row,
    /// The first row of the snapshot.
    First,
    /// The first row of its table.
    FirstInTable,
    /// The last row of its table.
    LastInTable,
    /// The last row of the snapshot.
    Last,
    /// A row of an incremental snapshot.
    Incremental,
}

impl SnapshotMarker {
    /// All markers, in the order of their discriminants.
    pub(crate) const ALL: [Self; 7] = [
        Self::None,
        Self::Row,
        Self::First,
        Self::FirstInTable,
        Self::LastInTable,
        Self::Last,
        Self::Incremental,
    ];

    /// Debezium's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "false",
            Self::Row => "true",
            Self::First => "first",
            Self::FirstInTable => "first_in_data_collection",
            Self::LastInTable => "last_in_data_collection",
            Self::Last => "last",
            Self::Incremental => "incremental",
        }
    }
}
