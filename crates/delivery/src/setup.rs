//! What comes before the stream: the loss check on an old connector, publication and slot for a new one.

mod newly_captured;
mod recognise;
mod stranger;

use std::collections::BTreeSet;

use tracing::{info, warn};
use walcast_mapper::TableName;
use walcast_pgoutput::{Lsn, Oid, PgTimestamp};

use crate::coverage::{not_published, publication_findings, table_findings};
use crate::edge::{CreatedSlot, Sink, Snapshots, Source};
use crate::loss::{begins_at, resume_position, usable_slot};
use crate::{
    Checkpoint, CheckpointLog, CheckpointState, CheckpointUpdate, DeliveryConfig, DeliveryError, Halt,
    SnapshotMode, Survey, sql,
};

use newly_captured::{Adopted, adopt};
pub(crate) use newly_captured::{
    NewlyCaptured, forgets_new_tables, known_now, names, numbers, without_newer,
};
use recognise::recognise_before_news;
pub(crate) use recognise::{GOODBYE_TIMEOUT, start};
pub(crate) use stranger::refuse_stranger;

/// What a source's snapshots are.
pub(crate) type SnapshotOf<P> = <<P as Source>::Snapshots as Snapshots>::Snapshot;

/// Where and how a stream begins.
pub(crate) struct Beginning<S> {
    /// Where it goes on.
    pub(crate) from: Lsn,
    /// Where it begins, to see again what was delivered last: `from`, or before it.
    pub(crate) begins_at: Lsn,
    /// What the slot was told so far.
    pub(crate) confirmed: Lsn,
    /// The checkpoint it goes on from.
    pub(crate) checkpoint: Checkpoint,
    /// The checkpoint log as it was read.
    pub(crate) log: CheckpointLog,
    /// The slot's snapshot, where it was just created and rows are to be read.
    pub(crate) snapshot: Option<S>,
    /// The tables that are captured.
    pub(crate) known_tables: BTreeSet<Oid>,
    /// Whether the server may go on to leave out changes of tables that are published later.
    pub(crate) renews: bool,
}

/// Checks that nothing would be lost, doubled or missed, and creates what is missing and may be created. `is_start`: this is
/// the first session of a connector that was started, and not one after a fault.
pub(crate) async fn begin<P: Source, K: Sink>(
    source: &mut P,
    sink: &mut K,
    config: &DeliveryConfig,
    log: CheckpointLog,
    is_start: bool,
) -> Result<Beginning<SnapshotOf<P>>, DeliveryError> {
    let known = log.current.as_ref().map(|checkpoint| checkpoint.timeline);
    let survey = source.survey(known).await.map_err(DeliveryError::Source)?;
    let not_covered = |finding| not_covered(finding, log.current.as_ref(), &survey);
    first_finding(table_findings(&survey)).map_err(not_covered)?;
    let Some(checkpoint) = log.current.clone().filter(|one| !is_unfinished(one, &survey)) else {
        return create(source, sink, config, &survey, log).await;
    };
    let mut left = checkpoint.snapshot.as_ref();
    let everything;
    let from = match resume_position(&survey, &checkpoint, &config.slot) {
        Ok(from) => from,
        Err(halt) if config.snapshot.mode == SnapshotMode::WhenNeeded => match halt {
            Halt::SlotMissing { .. } => {
                reads_again(&halt);
                return create(source, sink, config, &survey, log).await;
            }
            Halt::SlotLost { .. } => {
                reads_again(&halt);
                source.drop_slot().await.map_err(DeliveryError::Source)?;
                let survey = source.survey(known).await.map_err(DeliveryError::Source)?;
                return create(source, sink, config, &survey, log).await;
            }
            Halt::SlotAdvanced { confirmed, .. } => {
                reads_again(&halt);
                everything = config.snapshot.all(&survey);
                left = Some(&everything);
                confirmed
            }
            halt => return Err(halt.into()),
        },
        Err(halt) => return Err(halt.into()),
    };
    let checkpoint = Checkpoint {
        end_lsn: from,
        timeline: survey.timeline,
        snapshot: config.snapshot.again(left, &survey, is_start),
        ..checkpoint
    };
    recognise_before_news(source, config, &survey, &checkpoint, log.known_tables.as_ref()).await?;
    let Adopted {
        checkpoint,
        survey,
        known_tables,
    } = adopt(
        source,
        sink,
        config,
        checkpoint,
        survey,
        log.known_tables.as_ref(),
    )
    .await?;
    first_finding(publication_findings(&survey, &config.publication))
        .map_err(|finding| self::not_covered(finding, log.current.as_ref(), &survey))?;
    publish_signal_table(source, config, &survey).await?;
    let confirmed = survey
        .slot
        .as_ref()
        .and_then(|slot| slot.confirmed_flush_lsn)
        .unwrap_or(Lsn::INVALID);
    Ok(Beginning {
        from,
        begins_at: begins_at(&survey, &checkpoint),
        confirmed: confirmed.min(from),
        checkpoint,
        log,
        snapshot: None,
        known_tables,
        renews: forgets_new_tables(survey.server_version),
    })
}

/// The slot cannot give everything any more, and it was said beforehand what is to be done then.
fn reads_again(halt: &Halt) {
    warn!(error = %halt, "[snapshot] mode is \"when_needed\": all rows are read again; rows that were deleted meanwhile stay in the topics");
}

/// Signals come as changes of their table.
async fn publish_signal_table<P: Source>(
    source: &mut P,
    config: &DeliveryConfig,
    survey: &Survey,
) -> Result<(), DeliveryError> {
    let Some(table) = &config.snapshot.signal_table else {
        return Ok(());
    };
    if survey.publishes(table) {
        return Ok(());
    }
    if !config.create_missing {
        return Err(not_published(table, &config.publication).into());
    }
    let published = source.publish(std::slice::from_ref(table)).await;
    published.map_err(DeliveryError::Source)?;
    info!(%table, publication = config.publication, "signal table added to the publication");
    Ok(())
}

/// A start that was cut short before the slot existed is begun again.
fn is_unfinished(checkpoint: &Checkpoint, survey: &Survey) -> bool {
    checkpoint.state == CheckpointState::CreatingSlot && survey.slot.is_none()
}

/// Names the changes that an old connector has missed, where the finding means that it has.
fn not_covered(finding: Halt, checkpoint: Option<&Checkpoint>, survey: &Survey) -> Halt {
    match checkpoint {
        Some(checkpoint) if finding.hides_changes() => Halt::NotCovered {
            finding: Box::new(finding),
            after: checkpoint.end_lsn,
            until: survey.flush_lsn,
        },
        _ => finding,
    }
}

fn first_finding(findings: Vec<Halt>) -> Result<(), Halt> {
    findings.into_iter().next().map_or(Ok(()), Err)
}

/// The first start: the publication before the slot, so that the slot never decodes a moment without it.
async fn create<P: Source, K: Sink>(
    source: &mut P,
    sink: &mut K,
    config: &DeliveryConfig,
    survey: &Survey,
    log: CheckpointLog,
) -> Result<Beginning<SnapshotOf<P>>, DeliveryError> {
    if let Some(slot) = &survey.slot {
        let confirmed = usable_slot(survey, slot, Lsn::INVALID)?;
        return Err(Halt::SlotWithoutCheckpoint {
            slot: slot.name.clone(),
            confirmed,
        }
        .into());
    }
    let tables: Vec<TableName> = survey.captured.iter().map(|table| table.name.clone()).collect();
    let creates_publication = survey.publication.is_none();
    if !config.create_missing {
        return Err(not_created(config, survey, &tables));
    }
    if creates_publication {
        source
            .create_publication(&tables)
            .await
            .map_err(DeliveryError::Source)?;
        info!(
            publication = config.publication,
            tables = tables.len(),
            "publication created"
        );
    } else {
        first_finding(publication_findings(survey, &config.publication))?;
    }
    let created = match publish_signal_table_of_new(source, config, creates_publication, survey).await {
        Ok(()) => create_slot(source, sink, config, survey, &log).await,
        Err(error) => Err(error),
    };
    let (checkpoint, snapshot) = match created {
        Ok(created) => created,
        Err(error) => {
            if creates_publication {
                take_back_publication(source, config).await;
            }
            return Err(error);
        }
    };
    let known_tables = numbers(survey);
    write(sink, checkpoint.clone(), Some(known_tables.clone())).await?;
    let from = checkpoint.end_lsn;
    Ok(Beginning {
        from,
        begins_at: from,
        confirmed: from,
        checkpoint,
        log,
        snapshot,
        known_tables,
        renews: forgets_new_tables(survey.server_version),
    })
}

/// A publication that was just made holds what is captured, and nothing else.
async fn publish_signal_table_of_new<P: Source>(
    source: &mut P,
    config: &DeliveryConfig,
    creates_publication: bool,
    survey: &Survey,
) -> Result<(), DeliveryError> {
    if creates_publication && config.snapshot.signal_table.is_some() {
        let survey = source.survey(None).await.map_err(DeliveryError::Source)?;
        return publish_signal_table(source, config, &survey).await;
    }
    publish_signal_table(source, config, survey).await
}

/// Leaves no partial set-up behind. A slot that was created although it was reported as failed needs its publication,
/// without which it could never be decoded. What goes wrong here must not hide why the slot failed.
async fn take_back_publication<P: Source>(source: &mut P, config: &DeliveryConfig) {
    let publication = &config.publication;
    let dropped = match source.survey(None).await {
        Ok(survey) if survey.slot.is_some() => return,
        Ok(_) => source.drop_publication().await,
        Err(fault) => Err(fault),
    };
    match dropped {
        Ok(()) => info!(
            publication,
            "publication dropped again, the slot could not be created"
        ),
        Err(error) => {
            warn!(publication, %error, "publication stays, the next start uses it or it can be dropped by hand")
        }
    }
}

fn not_created(config: &DeliveryConfig, survey: &Survey, tables: &[TableName]) -> DeliveryError {
    let publication = config.publication.clone();
    if survey.publication.is_none() {
        let sql = sql::create_publication(&publication, tables, survey.server_version, survey.partitions);
        return Halt::PublicationMissing { publication, sql }.into();
    }
    let sql = format!(
        "SELECT lsn FROM pg_create_logical_replication_slot('{}', 'pgoutput')",
        config.slot
    );
    Halt::SlotNotCreated {
        slot: config.slot.clone(),
        sql,
    }
    .into()
}

/// The intention is written down first: a slot that is found without it was made by somebody else, and it is not known
/// what was delivered from it; a slot that is found with it has delivered nothing. Returns the checkpoint to begin
/// with, and the slot's snapshot where rows are to be read.
async fn create_slot<P: Source, K: Sink>(
    source: &mut P,
    sink: &mut K,
    config: &DeliveryConfig,
    survey: &Survey,
    log: &CheckpointLog,
) -> Result<(Checkpoint, Option<SnapshotOf<P>>), DeliveryError> {
    let intention = Checkpoint {
        version: Checkpoint::VERSION,
        state: CheckpointState::CreatingSlot,
        system_identifier: survey.system_identifier,
        timeline: survey.timeline,
        database: survey.database.clone(),
        slot: config.slot.clone(),
        end_lsn: survey.flush_lsn,
        last_commit: None,
        last_message: None,
        partial: None,
        snapshot: config.snapshot.first(survey),
        signals_read: log.current.as_ref().and_then(|before| before.signals_read),
        written_at_unix_micros: PgTimestamp::now().unix_micros(),
    };
    write(sink, intention.clone(), None).await?;
    let created = source.create_slot(intention.snapshot.is_some()).await;
    let CreatedSlot {
        consistent_point,
        snapshot,
    } = created.map_err(DeliveryError::Source)?;
    info!(slot = config.slot, lsn = %consistent_point, "slot created");
    let checkpoint = Checkpoint {
        state: CheckpointState::Streaming,
        end_lsn: consistent_point,
        written_at_unix_micros: PgTimestamp::now().unix_micros(),
        ..intention
    };
    Ok((checkpoint, snapshot))
}

async fn write<K: Sink>(
    sink: &mut K,
    current: Checkpoint,
    known_tables: Option<BTreeSet<Oid>>,
) -> Result<(), DeliveryError> {
    let update = CheckpointUpdate {
        current,
        enters_history: false,
        expired: Vec::new(),
        known_tables,
    };
    sink.commit(&update).await.map_err(DeliveryError::Sink)
}
