//! Going on where another connector stopped, on its slot: nothing lost, nothing doubled.
//!
//! The other connector's notes name the end of the last transaction it delivered whole and, when it stopped inside the
//! one after it, the last change of that one. The transaction is read from the slot to learn its place in the order and
//! how many of its changes that is; what remains is what our own checkpoint says of a split transaction ([`Partial`]).
//! Reading moves nothing: nothing is confirmed.
//!
//! What the notes do not tell exactly is refused with the question that a person can answer.

mod refused;
mod search;

use walcast_mapper::MapperConfig;
use walcast_pgoutput::{Lsn, PgTimestamp, Xid};

use crate::coverage::publication_findings;
use crate::edge::{ChangeStream, Sink, Source, Started};
use crate::loss::usable_slot;
use crate::{Checkpoint, CheckpointState, CheckpointUpdate, CommitMark, DeliveryError, Partial, Survey};

pub use self::refused::TakeOverRefused;
use self::search::{Delivered, Search};

/// Where another connector stopped, as its notes tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForeignPosition {
    /// The end of the last transaction that it delivered whole (as far as it knew); `None` when it has seen no end of a
    /// transaction yet: then every transaction the slot holds comes after it.
    pub delivered_until: Option<Lsn>,
    /// The end of the last commit it has seen, which is the same but after a snapshot; `None` when it has seen none.
    pub last_commit_end: Option<Lsn>,
    /// When that transaction was committed, if the notes tell.
    pub committed_at: Option<PgTimestamp>,
    /// The last change that it sent of the transaction after that one; `None` when it sent none.
    pub within: Option<ForeignChange>,
}

/// The last change that another connector sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForeignChange {
    /// Its transaction.
    pub xid: Xid,
    /// Where it lies in the log.
    pub lsn: Lsn,
    /// How many changes at that position were sent, if the notes tell: rows of one `COPY` share a position.
    pub sent_at_lsn: Option<u64>,
    /// Whether the notes say that nothing more at that position was to come.
    pub is_last_at_lsn: bool,
    /// Whether it is a logical message, which our own stream may not ask for.
    pub is_message: bool,
    /// What a person counted: how many changes at that position are in Kafka with all of their records.
    pub counted_at_lsn: Option<u64>,
}

/// A wish to take over.
#[derive(Clone, Copy, Debug)]
pub struct TakeOver<'a> {
    /// Where the other connector stopped.
    pub position: ForeignPosition,
    /// The slot.
    pub slot: &'a str,
    /// The publication.
    pub publication: &'a str,
    /// How records are made here, which must be as they were made there.
    pub mapper: &'a MapperConfig,
    /// Whether changes that the slot no longer has may be missed.
    pub accept_gap: bool,
    /// Whether only to find out, and to write nothing.
    pub only_look: bool,
    /// The time of the new checkpoint.
    pub now: PgTimestamp,
}

/// What was found and, unless only looked for, written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenOver {
    /// The first checkpoint.
    pub checkpoint: Checkpoint,
    /// How the position lies in the order of transactions.
    pub place: Place,
}

/// How a position lies in the order of transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Between two transactions.
    Between,
    /// Behind the last change of a transaction whose end the other connector had not noted.
    Behind {
        /// The transaction.
        xid: Xid,
    },
    /// Inside of a transaction.
    Inside {
        /// The transaction.
        xid: Xid,
        /// How many of its changes are in Kafka.
        delivered: u64,
        /// How many it has.
        changes: u64,
    },
}

/// Why nothing was taken over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TakeOverError {
    /// It would lose, double or invent changes.
    #[error(transparent)]
    Refused(#[from] TakeOverRefused),
    /// An edge failed, or the connector would halt at its first start.
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
}

/// Finds out where to go on and writes the first checkpoint. The caller leads the connector's name already.
///
/// # Errors
/// [`TakeOverRefused`] with what to do; or an edge fails. Nothing is written then.
pub async fn take_over<P: Source, K: Sink>(
    source: &mut P,
    sink: &mut K,
    wish: &TakeOver<'_>,
) -> Result<TakenOver, TakeOverError> {
    let survey = source.survey(None).await.map_err(DeliveryError::Source)?;
    let beginning = beginning(&survey, wish)?;
    let log = sink.open().await.map_err(DeliveryError::Sink)?;
    if let Some(current) = log.current {
        return Err(TakeOverRefused::HasCheckpoint { at: current.end_lsn }.into());
    }
    let delivered = match wish.position.within {
        Some(change) => find(source, wish, beginning, change, survey.flush_lsn).await?,
        None => None,
    };
    let taken = conclude(&survey, wish, beginning, delivered);
    if !wish.only_look {
        let update = CheckpointUpdate {
            current: taken.checkpoint.clone(),
            enters_history: true,
            expired: Vec::new(),
            known_tables: None,
        };
        sink.commit(&update).await.map_err(DeliveryError::Sink)?;
    }
    Ok(taken)
}

/// Where the slot is read from.
#[derive(Clone, Copy, Debug)]
struct Beginning {
    /// Every transaction whose commit record lies before it was delivered, or is given up.
    from: Lsn,
    /// Whether changes before it were given up.
    has_gap: bool,
}

/// The loss check of a take-over: what the slot still has must reach back to what was delivered.
fn beginning(survey: &Survey, wish: &TakeOver<'_>) -> Result<Beginning, TakeOverError> {
    let noted = wish.position.delivered_until;
    let slot = || wish.slot.to_owned();
    let Some(found) = &survey.slot else {
        let after = noted.or(wish.position.within.map(|change| change.lsn));
        return Err(TakeOverRefused::SlotMissing {
            slot: slot(),
            after: after.unwrap_or(Lsn::INVALID),
        }
        .into());
    };
    if let Some(pid) = found.active_pid {
        return Err(TakeOverRefused::Running { slot: slot(), pid }.into());
    }
    let confirmed = usable_slot(survey, found, noted.unwrap_or(Lsn::INVALID)).map_err(DeliveryError::from)?;
    if let Some(finding) = publication_findings(survey, wish.publication).into_iter().next() {
        return Err(DeliveryError::from(finding).into());
    }
    let noted = noted.unwrap_or(confirmed);
    if noted > survey.flush_lsn {
        let flushed = survey.flush_lsn;
        return Err(TakeOverRefused::AheadOfServer { noted, flushed }.into());
    }
    let has_gap = noted < confirmed;
    if has_gap && !wish.accept_gap {
        return Err(TakeOverRefused::Gap {
            slot: slot(),
            noted,
            confirmed,
        }
        .into());
    }
    Ok(Beginning {
        from: noted.max(confirmed),
        has_gap,
    })
}

/// Reads the transaction that the other connector stopped in; `None` when it was given up with a gap.
async fn find<P: Source>(
    source: &mut P,
    wish: &TakeOver<'_>,
    beginning: Beginning,
    change: ForeignChange,
    until: Lsn,
) -> Result<Option<Delivered>, TakeOverError> {
    let Started {
        mut stream, catalog, ..
    } = source
        .start(beginning.from)
        .await
        .map_err(DeliveryError::Source)?;
    let search = Search::new(catalog, wish.mapper, wish.slot, beginning.from, change);
    let found = search.run(&mut stream, until).await;
    let stopped = stream.stop().await.map_err(DeliveryError::Source);
    // A transaction of messages alone may not come at all; one that was given up with the gap does not.
    let may_be_absent = beginning.has_gap || change.is_message;
    let delivered = match found {
        Ok(delivered) => Some(delivered),
        Err(TakeOverError::Refused(
            TakeOverRefused::OtherTransaction { .. } | TakeOverRefused::TransactionMissing { .. },
        )) if may_be_absent => None,
        Err(error) => return Err(error),
    };
    stopped?;
    Ok(delivered)
}

fn conclude(
    survey: &Survey,
    wish: &TakeOver<'_>,
    beginning: Beginning,
    delivered: Option<Delivered>,
) -> TakenOver {
    let position = wish.position;
    let last_end = position.last_commit_end.filter(|_| !beginning.has_gap);
    let before = last_end.map(|end_lsn| CommitMark::ended_at(end_lsn, position.committed_at));
    let (end_lsn, last_commit, partial, place) = match delivered {
        None => (beginning.from, before, None, Place::Between),
        Some(all) if all.delivered == all.changes => (
            all.commit.end_lsn,
            Some(all.commit),
            None,
            Place::Behind { xid: all.xid },
        ),
        Some(part) => {
            let partial = Partial {
                commit_lsn: part.commit.commit_lsn,
                next_ordinal: part.delivered,
            };
            let Delivered {
                xid,
                delivered,
                changes,
                ..
            } = part;
            (
                beginning.from,
                before,
                Some(partial),
                Place::Inside {
                    xid,
                    delivered,
                    changes,
                },
            )
        }
    };
    let checkpoint = Checkpoint {
        version: Checkpoint::VERSION,
        state: CheckpointState::Streaming,
        system_identifier: survey.system_identifier,
        timeline: survey.timeline,
        database: survey.database.clone(),
        slot: wish.slot.to_owned(),
        end_lsn,
        last_commit,
        last_message: None,
        partial,
        snapshot: None,
        signals_read: None,
        written_at_unix_micros: wish.now.unix_micros(),
    };
    TakenOver { checkpoint, place }
}
