//! What a proxy does with its connections at the moment.

use std::time::Duration;

/// A way through a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client, who connected, to the target.
    ToTarget,
    /// From the target to the client.
    ToClient,
}

/// How bytes of one direction flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flow {
    /// As they come.
    #[default]
    Free,
    /// Not at all; neither end is notified.
    Held,
    /// Each piece later by this much.
    Delayed(Duration),
    /// A byte at a time, with this pause after each.
    Dripping(Duration),
    /// So many bytes of each connection, counted from now; then not at all.
    Only(u64),
}

/// How the bytes flow, and since which change of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rule {
    pub(super) flow: Flow,
    pub(super) since: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    /// New connections are closed at once.
    pub(super) refuses: bool,
    /// How often all connections were cut.
    pub(super) cuts: u64,
    to_target: Rule,
    to_client: Rule,
}

impl Line {
    pub(super) fn rule(&self, direction: Direction) -> Rule {
        match direction {
            Direction::ToTarget => self.to_target,
            Direction::ToClient => self.to_client,
        }
    }

    pub(super) fn set(&mut self, direction: Direction, flow: Flow) {
        let rule = match direction {
            Direction::ToTarget => &mut self.to_target,
            Direction::ToClient => &mut self.to_client,
        };
        *rule = Rule {
            flow,
            since: rule.since + 1,
        };
    }
}
