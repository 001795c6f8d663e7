//! Changes of a response.

/// Kind of a request of the Kafka protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i16)]
#[allow(missing_docs, reason = "the names are those of the protocol")]
pub enum Api {
    Produce = 0,
    Fetch = 1,
    ListOffsets = 2,
    Metadata = 3,
    FindCoordinator = 10,
    ApiVersions = 18,
    InitProducerId = 22,
    AddPartitionsToTxn = 24,
    EndTxn = 26,
    DescribeConfigs = 32,
}

impl Api {
    pub(super) fn key(self) -> i16 {
        self as i16
    }
}

/// Change of a response. A response is a length, the correlation id of its request, and its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Falsehood {
    /// The length is this one; the rest is as it was.
    Length(i32),
    /// The length is this one, and so many bytes follow that are no response, or as many as the client takes; then the connection
    /// is closed.
    Flood(i32),
    /// So many bytes are missing at the end, as the length says.
    Short(usize),
    /// Half of the content is missing, as the length says.
    Half,
    /// Half of the content is sent, the length is that of all of it, and the connection is closed.
    CutOff,
    /// Every byte of the content is this one.
    Filled(u8),
    /// The correlation id is one that no request had.
    OtherRequest,
    /// There is no response. The connection stays open.
    Silence,
    /// Each of the first bytes is replaced by the second ones, which are as many. A response without them is not changed.
    Replaced {
        /// What is replaced.
        from: Vec<u8>,
        /// What is sent in its place.
        to: Vec<u8>,
    },
}

/// What a client gets in place of a response.
pub(super) struct Sent {
    /// Bytes in any case, the length among them.
    pub(super) bytes: Vec<u8>,
    /// How many bytes without a meaning follow.
    pub(super) flood: usize,
    /// Whether the connection is then closed.
    pub(super) closes: bool,
}

/// Bytes of a correlation id, which every response begins with.
const ID_BYTES: usize = 4;

/// Correlation ids count from 1: no client of a test comes so far.
const OTHER_REQUEST: i32 = 1_000_000_000;

impl Falsehood {
    pub(super) fn applies_to(&self, response: &[u8]) -> bool {
        match self {
            Falsehood::Replaced { from, .. } => {
                response.windows(from.len()).any(|bytes| bytes == from.as_slice())
            }
            _ => response.len() > ID_BYTES,
        }
    }

    /// What is sent in place of a response, which is given without its length.
    pub(super) fn of(&self, mut response: Vec<u8>) -> Sent {
        let whole = response.len();
        let half = ID_BYTES + (whole - ID_BYTES) / 2;
        match self {
            Falsehood::Length(length) => sent(*length, &response),
            Falsehood::Flood(length) => Sent {
                bytes: length.to_be_bytes().to_vec(),
                flood: usize::try_from(*length).unwrap_or(0),
                closes: true,
            },
            Falsehood::Short(missing) => {
                response.truncate(whole.saturating_sub(*missing).max(ID_BYTES));
                unchanged(&response)
            }
            Falsehood::Half => {
                response.truncate(half);
                unchanged(&response)
            }
            Falsehood::CutOff => {
                response.truncate(half);
                Sent {
                    closes: true,
                    ..sent(length_of(whole), &response)
                }
            }
            Falsehood::Filled(byte) => {
                response
                    .iter_mut()
                    .skip(ID_BYTES)
                    .for_each(|other| *other = *byte);
                unchanged(&response)
            }
            Falsehood::OtherRequest => {
                let id = OTHER_REQUEST.to_be_bytes();
                response
                    .iter_mut()
                    .zip(id)
                    .for_each(|(byte, other)| *byte = other);
                unchanged(&response)
            }
            Falsehood::Silence => Sent {
                bytes: Vec::new(),
                flood: 0,
                closes: false,
            },
            Falsehood::Replaced { from, to } => {
                assert_eq!(from.len(), to.len(), "the length of the response is not changed");
                for start in 0..=whole.saturating_sub(from.len()) {
                    if let Some(found) = response.get_mut(start..start + from.len())
                        && *found == **from
                    {
                        found.copy_from_slice(to);
                    }
                }
                unchanged(&response)
            }
        }
    }
}

/// A response as it was.
pub(super) fn unchanged(response: &[u8]) -> Sent {
    sent(length_of(response.len()), response)
}

fn sent(length: i32, response: &[u8]) -> Sent {
    Sent {
        bytes: [&length.to_be_bytes(), response].concat(),
        flood: 0,
        closes: false,
    }
}

fn length_of(bytes: usize) -> i32 {
    i32::try_from(bytes).unwrap_or(i32::MAX)
}
