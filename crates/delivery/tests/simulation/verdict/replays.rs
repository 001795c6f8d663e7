//! Checks the copies of replays: each record of the window once, in the order of its partition, and no other.

use walcast_delivery::ReplayState;

use crate::broker::replays::StoredReplay;
use crate::broker::{Broker, Stored};
use crate::rules::Rule;
use crate::world::World;

pub(super) fn check(world: &World) {
    let broker = world.broker.borrow();
    for stored in broker.stored_replays() {
        let mut wanted = wanted(&broker, stored);
        let sent = stored.progress.sent();
        let number = stored.number;
        let is_all = u64::try_from(wanted.len()).is_ok_and(|all| all == sent);
        if stored.progress.state == ReplayState::Complete && !is_all {
            world.report_violation(Rule::ReplaysAreExact, || {
                format!(
                    "replay {number} is complete after {sent} of {} records",
                    wanted.len()
                )
            });
        }
        wanted.truncate(usize::try_from(sent).unwrap_or(usize::MAX));
        let found: Vec<(&str, &Stored)> = broker
            .copies(number)
            .map(|copy| (copy.topic.as_str(), copy))
            .collect();
        let is_exact = found.len() == wanted.len()
            && found
                .iter()
                .zip(&wanted)
                .all(|((topic, copy), (target, original))| topic == target && is_copy(copy, original));
        if !is_exact {
            let ids = |records: &[(&str, &Stored)]| {
                let ids = records
                    .iter()
                    .map(|(topic, record)| format!("{topic} {}", record.id));
                ids.collect::<Vec<_>>().join(", ")
            };
            world.report_violation(Rule::ReplaysAreExact, || {
                format!(
                    "replay {number} has sent [{}] instead of [{}]",
                    ids(&found),
                    ids(&wanted)
                )
            });
        }
    }
}

/// The records of a window with the topics of their copies, in the order in which they are copied.
fn wanted<'a>(broker: &'a Broker, stored: &'a StoredReplay) -> Vec<(&'a str, &'a Stored)> {
    let mut wanted = Vec::new();
    for topic in &stored.plan.topics {
        for range in &topic.partitions {
            let originals = broker.committed_of(&topic.topic, range.partition);
            let in_window = originals.filter(|(offset, record)| {
                (range.from..range.to).contains(offset) && stored.plan.contains(record)
            });
            wanted.extend(in_window.map(|(_, record)| (topic.target.as_str(), record)));
        }
    }
    wanted
}

fn is_copy(copy: &Stored, original: &Stored) -> bool {
    copy.id == original.id
        && copy.key == original.key
        && copy.value == original.value
        && copy.context == original.context
}
