//! Preconditions for the slot to survive a failover, as far as they can be checked on the primary.
//!
//! See <https://www.postgresql.org/docs/current/logicaldecoding-explanation.html#LOGICALDECODING-REPLICATION-SLOTS-SYNCHRONIZATION>.

use tokio_postgres::types::Type;
use walcast_delivery::sql::literal;
use walcast_delivery::{ConnectorSetting, Fix, Precondition, SourceState};

use super::catalog_row::CatalogRow;
use super::query::{one, rows, value};
use crate::config::{FAILOVER_SLOTS_SINCE, Failover, PostgresConfig};
use crate::connect::Client;
use crate::error::PostgresError;

const DOING: &str = "checking the preconditions of a failover";

/// Name of the precondition on the slot.
const SLOT: &str = "failover";

/// Standby with a physical slot on this server.
struct Standby {
    slot: String,
    is_active: bool,
    /// Whether the standby sends `hot_standby_feedback`.
    feeds_back: bool,
    /// Whether the standby reports a catalog horizon of logical slots of its own: copies of our slot, or others.
    has_logical_slots: bool,
}

/// Result of one check.
struct Check {
    name: &'static str,
    holds: bool,
    found: String,
    fix: Fix,
}

/// Whether a slot is a failover slot (17 and later); a slot that does not exist is none.
pub(crate) async fn is_failover_slot(client: &Client, slot: &str) -> Result<bool, PostgresError> {
    let sql = "SELECT coalesce((SELECT failover FROM pg_replication_slots WHERE slot_name = $1), false)";
    let row = one(client, "reading the slot", sql, &[(&slot, Type::TEXT)]).await?;
    value("reading the slot", &row, 0)
}

/// Checks of the preconditions of a failover. Where failover is demanded, a missing precondition fails; otherwise it is only
/// advised, and nothing is checked without a standby.
pub(crate) async fn failover(
    client: &Client,
    config: &PostgresConfig,
    source_state: &SourceState,
) -> Result<Vec<Precondition>, PostgresError> {
    let demanded = match config.failover {
        Failover::Never => return Ok(Vec::new()),
        Failover::Auto => false,
        Failover::Always => true,
    };
    if source_state.server_version < FAILOVER_SLOTS_SINCE {
        return Ok(vec![precondition(demanded, too_old(source_state.server_version))]);
    }
    let is_failover = is_failover_slot(client, &config.slot).await?;
    let mut found = vec![precondition(demanded, slot(config, source_state, is_failover))];
    let standbys = standbys(client).await?;
    if demanded || !standbys.is_empty() {
        let checks = [
            physical_slot(&standbys),
            synchronized(client, &standbys).await?,
            feedback(&standbys),
            synchronization(client, &config.slot, &standbys).await?,
        ];
        found.extend(checks.map(|check| precondition(demanded, check)));
    }
    Ok(found)
}

fn precondition(demanded: bool, check: Check) -> Precondition {
    let Check {
        name,
        holds,
        found,
        fix,
    } = check;
    if holds {
        Precondition::holds(name, found)
    } else if demanded {
        Precondition::failed(name, found, fix)
    } else {
        Precondition::advised(name, found, Fix::from("to survive a failover: ").then(fix))
    }
}

fn too_old(server_version: u32) -> Check {
    Check {
        name: SLOT,
        holds: false,
        found: format!(
            "version {server_version} has no failover slots: after a failover the slot is missing, and the connector halts"
        ),
        fix: Fix::from("upgrade the server to 17 or later"),
    }
}

/// Checks the slot. Where failover is demanded, the next start turns the slot into a failover slot.
fn slot(config: &PostgresConfig, source_state: &SourceState, is_failover: bool) -> Check {
    let is_demanded = config.failover == Failover::Always;
    let found = match (&source_state.slot, is_failover) {
        (None, _) => "the slot will be created as a failover slot",
        (Some(_), true) => "the slot is a failover slot",
        (Some(_), false) if is_demanded => "the slot is made a failover slot at the next start",
        (Some(_), false) => "the slot is no failover slot: a promoted standby does not have it",
    };
    Check {
        name: SLOT,
        holds: source_state.slot.is_none() || is_failover || is_demanded,
        found: found.to_owned(),
        fix: Fix::from("set ")
            .setting(ConnectorSetting::Failover)
            .text(" = true and restart the connector, which alters the slot"),
    }
}

async fn standbys(client: &Client) -> Result<Vec<Standby>, PostgresError> {
    let sql = "SELECT slot_name::text, active, xmin IS NOT NULL OR catalog_xmin IS NOT NULL, catalog_xmin IS NOT NULL \
               FROM pg_replication_slots WHERE slot_type = 'physical' ORDER BY 1";
    let found = rows(client, DOING, sql, &[]).await?;
    let standby = |row: &CatalogRow| {
        Ok(Standby {
            slot: value(DOING, row, 0)?,
            is_active: value(DOING, row, 1)?,
            feeds_back: value(DOING, row, 2)?,
            has_logical_slots: value(DOING, row, 3)?,
        })
    };
    found.iter().map(standby).collect()
}

/// Checks for an active physical slot: slots are synchronized only to a standby that has one.
fn physical_slot(standbys: &[Standby]) -> Check {
    let active = standbys.iter().find(|standby| standby.is_active);
    Check {
        name: "failover: primary_slot_name",
        holds: active.is_some(),
        found: match active {
            Some(standby) => format!("a standby streams from physical slot {}", standby.slot),
            None => "no standby streams from a physical slot of this server".to_owned(),
        },
        fix: match standbys.first() {
            Some(standby) => format!("set primary_slot_name = {} on the standby", literal(&standby.slot)).into(),
            None => "SELECT pg_create_physical_replication_slot('standby_1'), and set primary_slot_name = 'standby_1' on the standby"
                .into(),
        },
    }
}

/// Checks `synchronized_standby_slots`, without which the connector can deliver changes that the standby never receives.
async fn synchronized(client: &Client, standbys: &[Standby]) -> Result<Check, PostgresError> {
    let row = one(
        client,
        DOING,
        "SELECT current_setting('synchronized_standby_slots')",
        &[],
    )
    .await?;
    let setting: String = value(DOING, &row, 0)?;
    let named = || setting.split(',').map(|name| name.trim().trim_matches('"'));
    let without_standby = named().find(|name| {
        !standbys
            .iter()
            .any(|standby| standby.is_active && standby.slot == *name)
    });
    let (holds, found) = match without_standby {
        _ if setting.trim().is_empty() => (
            false,
            "empty: changes can be delivered before the standby has them".to_owned(),
        ),
        Some(name) => (
            false,
            format!("names {name}, from which no standby streams: no change is delivered until one does"),
        ),
        None => (true, format!("no change is delivered before {setting} has it")),
    };
    let active = standbys.iter().find(|standby| standby.is_active);
    let name = active
        .or(standbys.first())
        .map_or("standby_1", |standby| &standby.slot);
    Ok(Check {
        name: "failover: synchronized_standby_slots",
        holds,
        found,
        fix: format!(
            "ALTER SYSTEM SET synchronized_standby_slots = {}; SELECT pg_reload_conf()",
            literal(name)
        )
        .into(),
    })
}

/// Checks `hot_standby_feedback`, without which VACUUM removes rows that the slot's copies need, and the copies are invalidated.
fn feedback(standbys: &[Standby]) -> Check {
    let feeds_back = standbys
        .iter()
        .any(|standby| standby.is_active && standby.feeds_back);
    Check {
        name: "failover: hot_standby_feedback",
        holds: feeds_back,
        found: if feeds_back {
            "a standby sends feedback"
        } else {
            "no standby sends feedback"
        }
        .to_owned(),
        fix: Fix::from("set hot_standby_feedback = on on the standby"),
    }
}

/// Checks for slot synchronization, by the connection of the worker, unless `primary_conninfo` renames it, or by the catalog
/// horizon of copied slots.
async fn synchronization(client: &Client, slot: &str, standbys: &[Standby]) -> Result<Check, PostgresError> {
    let sql = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE '%slotsync worker')";
    let has_worker: bool = value(DOING, &one(client, DOING, sql, &[]).await?, 0)?;
    let has_copies = standbys
        .iter()
        .any(|standby| standby.is_active && standby.has_logical_slots);
    Ok(Check {
        name: "failover: sync_replication_slots",
        holds: has_worker || has_copies,
        found: match (has_worker, has_copies) {
            (true, _) => "a standby synchronizes slots continuously",
            (false, true) => "a standby has logical slots",
            (false, false) => "no standby is seen to synchronize slots",
        }
        .to_owned(),
        fix: format!(
            "set sync_replication_slots = on on the standby, with a dbname in its primary_conninfo; there, \
             SELECT synced, temporary FROM pg_replication_slots WHERE slot_name = {} must give true and false",
            literal(slot)
        )
        .into(),
    })
}
