//! What a window lacks: positions that cannot be reached, each with the nearest one that can.

use serde::Serialize;
use walcast_delivery::ReplayRange;

/// Part of a window that cannot be replayed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Gap {
    /// Topic that lacks it; `None` where all do.
    pub(super) topic: Option<String>,
    pub(super) reason: GapReason,
    /// Nearest position that can be reached; `None` if there is none.
    pub(super) nearest: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum GapReason {
    /// Retention has removed records.
    Expired,
    /// Compaction removes records.
    Compacted,
    /// The topic was created again: records that were delivered are not in it, and retention has removed none.
    CreatedAgain,
    /// The end of the window is not delivered yet.
    NotDelivered,
}

impl Gap {
    pub(super) fn text(&self) -> String {
        let topic = self.topic.as_deref().unwrap_or("the topics");
        let nearest = self.nearest.as_deref();
        match (self.reason, nearest) {
            (GapReason::Expired, Some(nearest)) => format!(
                "retention has removed records of {topic} that may belong to the window; the nearest position from which it is complete is {nearest}"
            ),
            (GapReason::Expired, None) => format!(
                "retention has removed records of {topic} that may belong to the window, and none with a position is left in one of its partitions"
            ),
            (GapReason::Compacted, _) => format!(
                "{topic} is compacted, which removes all but the newest records of a key; no position is certain to be complete"
            ),
            (GapReason::CreatedAgain, Some(nearest)) => format!(
                "{topic} lacks records that were delivered before its first one, and retention has removed none: it was created again, or \
                 they went to another topic; the nearest position from which it is complete is {nearest}"
            ),
            (GapReason::CreatedAgain, None) => format!(
                "{topic} lacks all records that were delivered: it was created again, or they went to another topic"
            ),
            (GapReason::NotDelivered, Some(nearest)) => {
                format!("the end of the window is not delivered yet; the nearest position is {nearest}")
            }
            (GapReason::NotDelivered, None) => "nothing is delivered yet".to_owned(),
        }
    }
}

/// Gaps on one line, with the way on. `reason`: why the source is not the other one.
pub(super) fn refusal(gaps: &[Gap], source: &str, reason: &str) -> String {
    let texts: Vec<String> = gaps.iter().map(Gap::text).collect();
    format!(
        "nothing was sent: {}; take the nearest position, or pass --accept-gap to replay what is left (source {source}: {reason})",
        texts.join("; ")
    )
}

/// Gap at which a replay cannot continue, on one line with the way on.
pub(super) fn interruption(name: &str, gap: &Gap) -> String {
    format!(
        "the replay {name} cannot continue: {}; pass --accept-gap to continue with what is left",
        gap.text()
    )
}

/// Error for a partition that ends within its range, on one line with the way on.
pub(super) fn truncation(name: &str, topic: &str, range: ReplayRange, end: i64) -> String {
    let ReplayRange { partition, to, .. } = range;
    format!(
        "the replay {name} cannot continue: {topic}/{partition} ends at offset {end}, and the window at {to}: the topic was created \
         again, or a broker has lost records; pass --accept-gap to continue with what is left"
    )
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_refusal_names_the_nearest_positions_and_the_way_on() {
        let gap = |reason, nearest: Option<&str>| Gap {
            topic: (reason != GapReason::NotDelivered).then(|| "shop.public.orders".to_owned()),
            reason,
            nearest: nearest.map(str::to_owned),
        };
        expect!["nothing was sent: retention has removed records of shop.public.orders that may belong to the window; the nearest position from which it is complete is 0/16B3749; the end of the window is not delivered yet; the nearest position is 0/16B4F08; take the nearest position, or pass --accept-gap to replay what is left (source topics: as requested)"]
            .assert_eq(&refusal(&[
                gap(GapReason::Expired, Some("0/16B3749")),
                gap(GapReason::NotDelivered, Some("0/16B4F08")),
            ], "topics", "as requested"));
        expect!["nothing was sent: shop.public.orders is compacted, which removes all but the newest records of a key; no position is certain to be complete; take the nearest position, or pass --accept-gap to replay what is left (source topics: as requested)"]
            .assert_eq(&refusal(&[gap(GapReason::Compacted, None)], "topics", "as requested"));
        expect!["shop.public.orders lacks records that were delivered before its first one, and retention has removed none: it was created again, or they went to another topic; the nearest position from which it is complete is 0/20"]
            .assert_eq(&gap(GapReason::CreatedAgain, Some("0/20")).text());
        let range = ReplayRange {
            partition: 2,
            from: 5,
            to: 10,
        };
        expect!["the replay fix cannot continue: shop.public.orders/2 ends at offset 7, and the window at 10: the topic was created again, or a broker has lost records; pass --accept-gap to continue with what is left"]
            .assert_eq(&truncation("fix", "shop.public.orders", range, 7));
        expect!["retention has removed records of shop.public.orders that may belong to the window, and none with a position is left in one of its partitions"]
            .assert_eq(&gap(GapReason::Expired, None).text());
    }
}
