//! The operation of an event.

/// Operation of an event, in Debezium's `op`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Create,
    Update,
    Delete,
    Truncate,
    Read,
}

impl Op {
    pub(crate) fn letter(self) -> &'static [u8] {
        match self {
            Op::Create => b"c",
            Op::Update => b"u",
            Op::Delete => b"d",
            Op::Truncate => b"t",
            Op::Read => b"r",
        }
    }
}
