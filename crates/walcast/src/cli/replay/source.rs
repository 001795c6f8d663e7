//! Choice of the source of a replay: the topics where they have the window, whose records are equal byte by byte, else WAL where it is
//! retained.

use walcast_delivery::WalWindow;
use walcast_kafka::{RequestedSource, WalOrigin};
use walcast_pgoutput::Lsn;
use walcast_topics::{Decoder, PointInTime};

use super::args::{StartArgs, WindowEnd, WindowStart};
use super::gap::{Gap, GapReason};
use super::plan::Plan;
use super::previous::previous_commit_end;
use super::retained::{Retained, RetainedSlot};
use crate::config::Config;
use crate::exit::Rejection;
use crate::remedy::describe;

/// Source of a replay, with the reason for it.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    pub(super) source: Source,
    pub(super) reason: String,
}

/// Source of a replay.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// Records of the topics.
    Topics,
    /// Changes in WAL, read from a copy of a slot.
    Wal {
        slot: RetainedSlot,
        window: WalWindow,
        /// End of the transaction before the window, as far as the topics have it.
        previous_commit_end: Option<Lsn>,
    },
}

impl Source {
    /// Word, as it is printed.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Topics => "topics",
            Self::Wal { .. } => "wal",
        }
    }
}

impl Chosen {
    fn topics(reason: impl Into<String>) -> Self {
        Self {
            source: Source::Topics,
            reason: reason.into(),
        }
    }

    /// Gaps of the plan that concern the source: WAL lacks nothing of what the topics have lost.
    pub(super) fn gaps(&self, plan: &Plan) -> Vec<Gap> {
        let concerns = |gap: &&Gap| match self.source {
            Source::Topics => true,
            Source::Wal { .. } => gap.reason == GapReason::NotDelivered,
        };
        plan.gaps.iter().filter(concerns).cloned().collect()
    }

    /// Origin in WAL, as it is stored; `None` if the source is the topics.
    pub(super) fn origin(&self) -> Option<WalOrigin> {
        match &self.source {
            Source::Topics => None,
            Source::Wal {
                slot,
                window,
                previous_commit_end,
            } => Some(WalOrigin {
                slot: slot.slot.clone(),
                bookmark: slot.bookmark.clone(),
                end_lsn: window.end.to_string(),
                previous_commit_end: previous_commit_end.map(|lsn| lsn.to_string()),
            }),
        }
    }
}

/// Chooses the source of a planned replay.
///
/// # Errors
/// WAL is asked for, and is not retained or cannot be read.
pub(super) async fn choose(
    config: &Config,
    args: &StartArgs,
    plan: &Plan,
    decoder: &mut Decoder,
) -> anyhow::Result<Chosen> {
    if args.source == RequestedSource::Topics {
        return Ok(Chosen::topics("as requested"));
    }
    let (Some(window), Some(current)) = (plan.window, plan.log.current.as_ref()) else {
        return Ok(Chosen::topics("no transaction was delivered then or later"));
    };
    let is_required = args.source == RequestedSource::Wal;
    let have_gaps = plan.gaps.iter().any(|gap| gap.reason != GapReason::NotDelivered);
    if !is_required && !have_gaps {
        return Ok(Chosen::topics("they have the whole window"));
    }
    if is_by_time(args) && have_gaps {
        // The first record that is left at or after a time is not the first one that was delivered then.
        let reason = "records of the topics, by which a time becomes a position, were removed: name a position or a bookmark to read WAL";
        return match is_required {
            true => Err(Rejection::Request(format!("nothing was sent: {reason}")).into()),
            false => Ok(Chosen::topics(reason)),
        };
    }
    let retained = match Box::pin(Retained::look(config, current)).await {
        Ok(retained) => retained,
        Err(error) if is_required => return Err(error),
        Err(error) => {
            let error = describe(error.as_ref());
            return Ok(Chosen::topics(format!("WAL cannot be read: {error}")));
        }
    };
    match retained.reaching(window.from) {
        Some(slot) => Ok(Chosen {
            reason: match is_required {
                true => "as requested".to_owned(),
                false => format!(
                    "the topics lack records of the window, which {} retains",
                    slot.text()
                ),
            },
            source: Source::Wal {
                slot: slot.clone(),
                window: WalWindow {
                    from: window.from,
                    end: end(window.to, current.end_lsn),
                },
                previous_commit_end: previous_commit_end(plan, decoder).await?,
            },
        }),
        None if is_required => Err(Rejection::Request(format!(
            "nothing was sent: {}; take it, or pass --source topics to replay the records of the topics",
            retained.lacking(window.from)
        ))
        .into()),
        None => Ok(Chosen::topics(retained.lacking(window.from))),
    }
}

/// Whether the beginning or the end of a window is a time.
fn is_by_time(args: &StartArgs) -> bool {
    let from = matches!(args.from, WindowStart::Point(PointInTime::Time(_)));
    from || matches!(args.to, WindowEnd::Point(PointInTime::Time(_)))
}

/// Position before which a window ends: behind its last position, and at most at the end of what was delivered.
fn end(to: Option<Lsn>, delivered: Lsn) -> Lsn {
    let behind = |to: Lsn| Lsn::new(to.as_u64().saturating_add(1));
    to.map_or(delivered, |to| behind(to).min(delivered))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_ends_behind_its_last_position_and_within_what_was_delivered() {
        let delivered = Lsn::new(0x100);
        assert_eq!(end(None, delivered), delivered);
        assert_eq!(end(Some(Lsn::new(0x80)), delivered), Lsn::new(0x81));
        assert_eq!(end(Some(Lsn::new(0x100)), delivered), delivered);
        assert_eq!(end(Some(Lsn::new(u64::MAX)), delivered), delivered);
    }
}
