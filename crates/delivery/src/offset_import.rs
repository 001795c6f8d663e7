//! Import of another connector's offset: delivery continues on its slot, nothing lost, nothing doubled.
//!
//! The offset names the end of the last transaction that the other connector delivered whole and, if it stopped inside the next
//! transaction, the last change of it that it sent. That transaction is read from the slot to find its position in the order and how
//! many of its changes were delivered, which a checkpoint stores as the delivered part of a split transaction ([`Partial`]).
//! Nothing is confirmed meanwhile.
//!
//! An offset that is not exact is rejected with the question that an operator can answer.

pub(crate) mod error;
pub(crate) mod offset;
pub(crate) mod rejection;
pub(crate) mod search;

use std::collections::BTreeMap;

use walcast_mapper::MapperConfig;
use walcast_pgoutput::{Lsn, PgTimestamp, Xid};

use crate::coverage::publication_findings;
use crate::error::DeliveryError;
use crate::ports::checkpoint_store::CheckpointStore;
use crate::ports::sink::Sink;
use crate::ports::source::{ChangeStream, Source, Started};
use crate::position::checkpoint::{Checkpoint, CheckpointState, CheckpointUpdate, CommitPosition, Partial};
use crate::position::resume::usable_slot;
use crate::source_state::SourceState;

use self::error::ImportError;
use self::offset::{ConnectorOffset, OffsetChange};
use self::rejection::ImportRejected;
use self::search::{FoundTransaction, Search};

/// Request to import an offset.
#[derive(Clone, Copy, Debug)]
pub struct OffsetImport<'a> {
    /// Offset of the other connector.
    pub position: ConnectorOffset,
    /// The slot.
    pub slot: &'a str,
    /// The publication.
    pub publication: &'a str,
    /// Mapping of records, which must equal that of the other connector.
    pub mapper: &'a MapperConfig,
    /// Whether changes that the slot no longer retains may be missed.
    pub accept_gap: bool,
    /// Whether nothing is written: neither a record nor a topic, and no producer is opened.
    pub only_look: bool,
    /// Time of the new checkpoint.
    pub now: PgTimestamp,
}

/// Result of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedOffset {
    /// First checkpoint.
    pub checkpoint: Checkpoint,
    /// Position of the offset in the order of transactions.
    pub place: Place,
}

/// Position of an offset in the order of transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Between two transactions.
    Between,
    /// After the last change of a transaction whose end the other connector had not stored.
    Behind {
        /// The transaction.
        xid: Xid,
    },
    /// Inside of a transaction.
    Inside {
        /// The transaction.
        xid: Xid,
        /// Number of its changes in Kafka.
        delivered: u64,
        /// Number of its changes.
        changes: u64,
    },
}

/// Determines the position to resume from and writes the first checkpoint. The caller has leadership already.
///
/// # Errors
/// [`ImportRejected`], or the error of a port. Nothing is written then.
pub async fn import_offset<P: Source, C: CheckpointStore, K: Sink>(
    source: &mut P,
    checkpoints: &C,
    sink: &mut K,
    wish: &OffsetImport<'_>,
) -> Result<ImportedOffset, ImportError> {
    let source_state = source.inspect(None).await.map_err(DeliveryError::Source)?;
    let beginning = beginning(&source_state, wish)?;
    // Opening the sink creates the checkpoint topic.
    let log = match wish.only_look {
        true => checkpoints.read().await,
        false => sink.open().await,
    };
    let log = log.map_err(DeliveryError::Sink)?;
    if let Some(current) = log.current {
        return Err(ImportRejected::HasCheckpoint { at: current.end_lsn }.into());
    }
    let delivered = match wish.position.within {
        Some(change) => find(source, wish, beginning, change, source_state.flush_lsn).await?,
        None => None,
    };
    let taken = conclude(&source_state, wish, beginning, delivered);
    if !wish.only_look {
        let update = CheckpointUpdate {
            enters_history: true,
            ..CheckpointUpdate::of(taken.checkpoint.clone())
        };
        sink.commit(&update).await.map_err(DeliveryError::Sink)?;
    }
    Ok(taken)
}

/// Position from which the slot is read.
#[derive(Clone, Copy, Debug)]
struct Beginning {
    /// Every transaction whose commit record begins before it was delivered, or is part of the accepted gap.
    from: Lsn,
    /// Whether a gap was accepted.
    has_gap: bool,
}

/// Checks that the slot reaches back to the delivered changes.
fn beginning(source_state: &SourceState, wish: &OffsetImport<'_>) -> Result<Beginning, ImportError> {
    let noted = wish.position.delivered_until;
    let slot = || wish.slot.to_owned();
    let Some(found) = &source_state.slot else {
        let after = noted.or(wish.position.within.map(|change| change.lsn));
        return Err(ImportRejected::SlotMissing {
            slot: slot(),
            after: after.unwrap_or(Lsn::INVALID),
        }
        .into());
    };
    if let Some(pid) = found.active_pid {
        return Err(ImportRejected::Running { slot: slot(), pid }.into());
    }
    let confirmed =
        usable_slot(source_state, found, noted.unwrap_or(Lsn::INVALID)).map_err(DeliveryError::from)?;
    if let Some(finding) = publication_findings(source_state, wish.publication)
        .into_iter()
        .next()
    {
        return Err(DeliveryError::from(finding).into());
    }
    let noted = noted.unwrap_or(confirmed);
    if noted > source_state.flush_lsn {
        let flushed = source_state.flush_lsn;
        return Err(ImportRejected::AheadOfServer { noted, flushed }.into());
    }
    let has_gap = noted < confirmed;
    if has_gap && !wish.accept_gap {
        return Err(ImportRejected::Gap {
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

/// Reads the transaction that the other connector stopped in; `None` if it is part of the accepted gap.
async fn find<P: Source>(
    source: &mut P,
    wish: &OffsetImport<'_>,
    beginning: Beginning,
    change: OffsetChange,
    until: Lsn,
) -> Result<Option<FoundTransaction>, ImportError> {
    let Started {
        mut stream, catalog, ..
    } = source
        .start(beginning.from)
        .await
        .map_err(DeliveryError::Source)?;
    let search = Search::new(catalog, wish.mapper, wish.slot, beginning.from, change);
    let found = search.run(&mut stream, until).await;
    let stopped = stream.stop().await.map_err(DeliveryError::Source);
    // The server may not send a transaction of messages alone, and does not send one that is part of the gap.
    let may_be_absent = beginning.has_gap || change.is_message;
    let delivered = match found {
        Ok(delivered) => Some(delivered),
        Err(ImportError::Rejected(
            ImportRejected::OtherTransaction { .. } | ImportRejected::TransactionMissing { .. },
        )) if may_be_absent => None,
        Err(error) => return Err(error),
    };
    stopped?;
    Ok(delivered)
}

fn conclude(
    source_state: &SourceState,
    wish: &OffsetImport<'_>,
    beginning: Beginning,
    delivered: Option<FoundTransaction>,
) -> ImportedOffset {
    let position = wish.position;
    let last_end = position.last_commit_end.filter(|_| !beginning.has_gap);
    let before = last_end.map(|end_lsn| CommitPosition::ended_at(end_lsn, position.committed_at));
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
            let FoundTransaction {
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
        system_identifier: source_state.system_identifier,
        timeline: source_state.timeline,
        database: source_state.database.clone(),
        slot: wish.slot.to_owned(),
        end_lsn,
        last_commit,
        last_message: None,
        partial,
        snapshot: None,
        signals_read: None,
        complete_outboxes: BTreeMap::new(),
        held_by: None,
        written_at_unix_micros: wish.now.unix_micros(),
    };
    ImportedOffset { checkpoint, place }
}
