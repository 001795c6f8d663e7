//! Size of a replay, and how much of it was read.

use walcast_delivery::{ReplayProgress, ReplayState};
use walcast_kafka::Replay;
use walcast_pgoutput::Lsn;

/// Size of a replay, and of what was read: in bytes of WAL, or in offsets of topics.
pub(crate) fn extent(replay: &Replay, progress: &ReplayProgress) -> (u64, u64) {
    match wal_bytes(replay, progress) {
        Some(extent) => extent,
        None => offsets(replay, progress),
    }
}

/// Bytes of WAL from the beginning of the window to its end, and of those that were read; `None` if the source is the topics.
fn wal_bytes(replay: &Replay, progress: &ReplayProgress) -> Option<(u64, u64)> {
    let from: Lsn = replay.from_lsn.as_deref()?.parse().ok()?;
    let end: Lsn = replay.wal.as_ref()?.end_lsn.parse().ok()?;
    let all = end.as_u64().saturating_sub(from.as_u64());
    let read = match (progress.state, progress.place) {
        (ReplayState::Complete, _) => all,
        (_, None) => 0,
        (_, Some(place)) => place.until.as_u64().saturating_sub(from.as_u64()).min(all),
    };
    Some((all, read))
}

/// Number of offsets of a replay, and of those that were read.
pub(crate) fn offsets(replay: &Replay, progress: &ReplayProgress) -> (u64, u64) {
    let (mut all, mut read) = (0, 0);
    for (number, topic) in replay.topics.iter().enumerate() {
        for (index, range) in topic.partitions.iter().enumerate() {
            let size = u64::try_from(range.to - range.from).unwrap_or_default();
            all += size;
            let place = (number, index);
            let current = (progress.topic, progress.partition);
            if progress.state == ReplayState::Complete || place < current {
                read += size;
            } else if place == current {
                let last = progress.last.map_or(range.from, |last| last + 1);
                read += u64::try_from(last - range.from).unwrap_or_default().min(size);
            }
        }
    }
    (all, read)
}

/// Share of a replay that was read, in percent.
pub(crate) fn percent(replay: &Replay, progress: &ReplayProgress) -> f64 {
    match extent(replay, progress) {
        (0, _) if progress.state == ReplayState::Complete => 100.0,
        (0, _) => 0.0,
        (all, read) => (read as f64 * 1000.0 / all as f64).round() / 10.0,
    }
}
