//! Last versions of the streams of one event store, as far as they are remembered.
//!
//! The memory is bounded: streams are kept in two generations. A stream that is used enters the younger one; when that is full, the
//! older one is dropped, with the streams that were not used since.

use std::collections::HashMap;
use std::mem;

use walcast_mapper::{StreamEvent, StreamRules, Violation};

/// Length of the longest stream that is remembered: the memory is bounded by it and by the number of streams.
const STREAM_BYTES_MAX: usize = 256;

/// Last versions of streams.
#[derive(Debug)]
pub(crate) struct LastVersions {
    rules: StreamRules,
    young: HashMap<Vec<u8>, i64>,
    old: HashMap<Vec<u8>, i64>,
}

/// What is known of the event before an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Predecessor {
    /// It has the version before, or the event is the first of its stream.
    Known,
    /// The stream was not seen before, or is not remembered: any version may follow.
    Unknown,
    /// It does not have the version before.
    Violated(Violation),
}

impl LastVersions {
    pub(crate) fn new(rules: StreamRules) -> Self {
        Self {
            rules,
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }

    /// Compares an event with the one before it in its stream. The event is the last of its stream from then on, unless its version
    /// comes again.
    pub(crate) fn append(&mut self, event: &StreamEvent) -> Predecessor {
        let version = event.version;
        let Some(last) = self.last(&event.stream) else {
            self.remember(event, version);
            return match version == self.rules.first_version {
                true => Predecessor::Known,
                false => Predecessor::Unknown,
            };
        };
        let expected = last.saturating_add(1);
        self.remember(event, last.max(version));
        match version {
            _ if version == expected => Predecessor::Known,
            _ if version > expected => Predecessor::Violated(Violation::Gap { expected }),
            _ => Predecessor::Violated(Violation::Doubled { expected }),
        }
    }

    /// Whether the event is known to be the next one of its stream.
    pub(crate) fn continues_with(&self, event: &StreamEvent) -> bool {
        self.last(&event.stream).map(|last| last.saturating_add(1)) == Some(event.version)
    }

    /// Forgets a stream that is archived: another one may begin under its id.
    pub(crate) fn end(&mut self, stream: &[u8]) {
        self.young.remove(stream);
        self.old.remove(stream);
    }

    /// Adds the last events of streams that were read, which may be known already.
    pub(crate) fn extend(&mut self, read: Self) {
        for (stream, version) in read.old.into_iter().chain(read.young) {
            self.add(&StreamEvent { stream, version });
        }
    }

    /// Adds an event that exists already.
    pub(crate) fn add(&mut self, event: &StreamEvent) {
        let last = self.last(&event.stream).unwrap_or(event.version);
        self.remember(event, last.max(event.version));
    }

    fn last(&self, stream: &[u8]) -> Option<i64> {
        let found = self.young.get(stream).or_else(|| self.old.get(stream));
        found.copied()
    }

    fn remember(&mut self, event: &StreamEvent, version: i64) {
        if event.stream.len() > STREAM_BYTES_MAX {
            return;
        }
        if let Some(known) = self.young.get_mut(&event.stream) {
            *known = version;
            return;
        }
        if self.young.len() >= self.rules.streams_remembered.div_ceil(2).max(1) {
            self.old = mem::take(&mut self.young);
        }
        self.old.remove(&event.stream);
        self.young.insert(event.stream.clone(), version);
    }
}
