//! What is known of the completeness of a topic.

/// What is known of the completeness of a topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Completeness {
    /// Whether the topic no longer has its first records.
    pub is_expired: bool,
    /// Whether the topic is compacted.
    pub is_compacted: bool,
    /// Whether the topic was read again after the comparison, because compaction may have removed records while it was read.
    pub is_read_again: bool,
    /// Whether existing rows of the table are not read, or only some of them.
    pub omits_existing_rows: bool,
    /// Whether only some rows of the source were read: a row of the topic that is not among them is ignored.
    pub is_selection: bool,
    /// Whether records of the topic could not be read.
    pub has_unreadable: bool,
}
