//! Preconditions on the slot, and on the transactions that its creation waits for.

use walcast_delivery::sql::{self, literal};
use walcast_delivery::{ConnectorSetting, Fix, Precondition, SlotState, SourceState, WalStatus};

use super::blocking_transactions::{self, awaited_transactions};
use crate::config::PostgresConfig;
use crate::connect::Client;
use crate::error::PostgresError;

/// Age in seconds from which a transaction is reported that the creation of a slot would wait for.
const RUNNING_SECONDS_MAX: i32 = 60;

/// Age in seconds from which a transaction is reported that keeps an existing slot from releasing WAL.
const RETAINING_SECONDS_MAX: i32 = 3600;

/// Transactions that the creation of the slot would wait for, or that keep the slot from releasing WAL. A prepared transaction is
/// shown by no list of sessions and survives restarts, so that every one is reported before the slot exists.
pub(super) async fn old_transactions(
    client: &Client,
    source_state: &SourceState,
) -> Result<Vec<Precondition>, PostgresError> {
    const NAME: &str = "running transactions";
    let (prepared, running, effect) = match &source_state.slot {
        None => (0, RUNNING_SECONDS_MAX, "the creation of the slot waits for it"),
        Some(_) => (
            RETAINING_SECONDS_MAX,
            RETAINING_SECONDS_MAX,
            "the slot retains WAL from its begin on",
        ),
    };
    let found = blocking_transactions::old_transactions(client, prepared, running).await?;
    let warned = found.into_iter().map(|one| {
        Precondition::warned(
            NAME,
            format!("{one}: {effect}"),
            format!("end it with: {}", one.remedy()),
        )
    });
    Ok(warned.collect())
}

pub(super) async fn slot(
    client: &Client,
    config: &PostgresConfig,
    source_state: &SourceState,
) -> Result<Precondition, PostgresError> {
    let Some(slot) = &source_state.slot else {
        return Ok(missing_slot(config, source_state));
    };
    let Some(creator) = slot.creator() else {
        return Ok(existing_slot(config, source_state, slot));
    };
    let name = format!("slot {}", config.slot);
    let awaited = awaited_transactions(client, &config.slot).await?;
    let Some(awaited) = awaited.first() else {
        return Ok(Precondition::holds(
            name,
            format!("is being created by {creator}"),
        ));
    };
    Ok(Precondition::warned(
        name,
        format!("is being created by {creator}, and waits for {awaited} to end"),
        format!("end it with: {}", awaited.remedy()),
    ))
}

fn missing_slot(config: &PostgresConfig, source_state: &SourceState) -> Precondition {
    let name = format!("slot {}", config.slot);
    if config.creates_missing.slot() {
        return Precondition::holds(name, "does not exist yet");
    }
    let is_failover = config.creates_failover_slot(source_state.server_version);
    Precondition::failed(
        name,
        "does not exist, and the connector may not create it",
        format!(
            "after the publication exists, run: {}",
            sql::create_slot(&config.slot, is_failover)
        ),
    )
}

fn existing_slot(config: &PostgresConfig, source_state: &SourceState, slot: &SlotState) -> Precondition {
    let name = format!("slot {}", config.slot);
    let drop_it = format!("SELECT pg_drop_replication_slot({})", literal(&config.slot));
    let why = match (slot.plugin.as_deref(), &slot.database, &slot.invalidation_reason) {
        (None, _, _) => "is a physical slot".to_owned(),
        (Some(plugin), _, _) if plugin != "pgoutput" => format!("uses plugin {plugin} instead of pgoutput"),
        (_, Some(database), _) if *database != source_state.database => {
            format!("belongs to database {database}")
        }
        (_, _, Some(reason)) => format!("was invalidated: {reason}"),
        _ if slot.restart_lsn.is_none() || slot.wal_status == Some(WalStatus::Lost) => {
            "has lost the WAL that it needs".to_owned()
        }
        _ if slot.temporary => "is temporary".to_owned(),
        _ if slot.two_phase => {
            return Precondition::failed(
                name,
                "was created with two_phase, so that the server sends prepared transactions before they are committed",
                format!(
                    "replace it by a slot at the same positions, while no client streams from it: {}",
                    sql::remove_two_phase(&config.slot)
                ),
            );
        }
        _ => {
            let state = match slot.user() {
                Some(user) => format!("in use by {user}"),
                None => "not active".to_owned(),
            };
            return Precondition::holds(
                name,
                format!("exists, {state}, retains {} bytes of WAL", slot.retained_bytes),
            );
        }
    };
    Precondition::failed(
        name,
        why,
        Fix::from(format!("{drop_it}, or configure another ")).setting(ConnectorSetting::Slot),
    )
}
