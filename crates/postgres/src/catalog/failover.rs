//! Whether the slot survives a failover, as far as the primary can tell.
//!
//! See <https://www.postgresql.org/docs/current/logicaldecoding-explanation.html#LOGICALDECODING-REPLICATION-SLOTS-SYNCHRONIZATION>.

use tokio_postgres::Client;
use tokio_postgres::types::Type;
use walcast_delivery::Survey;
use walcast_delivery::sql::literal;

use super::preconditions::Precondition;
use super::query::{one, rows, value};
use crate::config::{Failover, PostgresConfig};
use crate::error::PostgresError;

/// Slots can be failover slots from here on.
pub(crate) const FAILOVER_SLOTS_SINCE: u32 = 170_000;

const DOING: &str = "checking what a failover needs";

/// What is checked of the slot.
const SLOT: &str = "failover";

/// A standby that has a slot on this server.
struct Standby {
    slot: String,
    is_active: bool,
    /// It tells what its own queries still need.
    feeds_back: bool,
    /// It tells what logical slots of its own still need: it has copies of ours, or others.
    has_logical_slots: bool,
}

/// What a line says.
struct Line {
    name: &'static str,
    holds: bool,
    found: String,
    fix: String,
}

/// Whether a slot is a failover slot (17 and later); one that does not exist is none.
pub(crate) async fn is_failover_slot(client: &Client, slot: &str) -> Result<bool, PostgresError> {
    let sql = "SELECT coalesce((SELECT failover FROM pg_replication_slots WHERE slot_name = $1), false)";
    let row = one(client, "looking at the slot", sql, &[(&slot, Type::TEXT)]).await?;
    value("looking at the slot", &row, 0)
}

/// What a failover needs, one line each. Where it is demanded (`failover = true`), what is missing fails; otherwise the lines
/// only tell it, and nothing is told where there is no standby.
pub(crate) async fn failover(
    client: &Client,
    config: &PostgresConfig,
    survey: &Survey,
) -> Result<Vec<Precondition>, PostgresError> {
    let demanded = match config.failover {
        Failover::Never => return Ok(Vec::new()),
        Failover::Auto => false,
        Failover::Always => true,
    };
    if survey.server_version < FAILOVER_SLOTS_SINCE {
        return Ok(vec![told(demanded, too_old(survey.server_version))]);
    }
    let is_failover = is_failover_slot(client, &config.slot).await?;
    let mut found = vec![told(demanded, slot(config, survey, is_failover))];
    let standbys = standbys(client).await?;
    if demanded || !standbys.is_empty() {
        let lines = [
            physical_slot(&standbys),
            synchronized(client, &standbys).await?,
            feedback(&standbys),
            synchronisation(client, &config.slot, &standbys).await?,
        ];
        found.extend(lines.map(|line| told(demanded, line)));
    }
    Ok(found)
}

fn told(demanded: bool, line: Line) -> Precondition {
    let Line {
        name,
        holds,
        found,
        fix,
    } = line;
    if holds {
        Precondition::ok(name, found)
    } else if demanded {
        Precondition::failed(name, found, fix)
    } else {
        Precondition::ok(name, format!("{found}; to survive a failover: {fix}"))
    }
}

fn too_old(server_version: u32) -> Line {
    Line {
        name: SLOT,
        holds: false,
        found: format!(
            "version {server_version} knows no failover slots: after a failover the slot is gone, and the connector halts"
        ),
        fix: "upgrade the server to 17 or later".to_owned(),
    }
}

/// A slot that is none is altered at the next start where that is demanded.
fn slot(config: &PostgresConfig, survey: &Survey, is_failover: bool) -> Line {
    let is_demanded = config.failover == Failover::Always;
    let found = match (&survey.slot, is_failover) {
        (None, _) => "the slot will be created as a failover slot",
        (Some(_), true) => "the slot is a failover slot",
        (Some(_), false) if is_demanded => "the slot is made a failover slot at the next start",
        (Some(_), false) => "the slot is no failover slot: a promoted standby does not have it",
    };
    Line {
        name: SLOT,
        holds: survey.slot.is_none() || is_failover || is_demanded,
        found: found.to_owned(),
        fix: "set failover = true in [postgres] and start the connector anew, which alters it".to_owned(),
    }
}

async fn standbys(client: &Client) -> Result<Vec<Standby>, PostgresError> {
    let sql = "SELECT slot_name::text, active, xmin IS NOT NULL OR catalog_xmin IS NOT NULL, catalog_xmin IS NOT NULL \
               FROM pg_replication_slots WHERE slot_type = 'physical' ORDER BY 1";
    let found = rows(client, DOING, sql, &[]).await?;
    let standby = |row: &tokio_postgres::Row| {
        Ok(Standby {
            slot: value(DOING, row, 0)?,
            is_active: value(DOING, row, 1)?,
            feeds_back: value(DOING, row, 2)?,
            has_logical_slots: value(DOING, row, 3)?,
        })
    };
    found.iter().map(standby).collect()
}

/// Slots are copied only to a standby that has a slot of its own here.
fn physical_slot(standbys: &[Standby]) -> Line {
    let active = standbys.iter().find(|standby| standby.is_active);
    Line {
        name: "failover: primary_slot_name",
        holds: active.is_some(),
        found: match active {
            Some(standby) => format!("a standby streams from physical slot {}", standby.slot),
            None => "no standby streams from a physical slot of this server".to_owned(),
        },
        fix: match standbys.first() {
            Some(standby) => format!("set primary_slot_name = {} on the standby", literal(&standby.slot)),
            None => "SELECT pg_create_physical_replication_slot('standby_1'), and set primary_slot_name = 'standby_1' on the standby"
                .to_owned(),
        },
    }
}

/// Without it the connector can deliver what the standby never gets.
async fn synchronized(client: &Client, standbys: &[Standby]) -> Result<Line, PostgresError> {
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
            format!("names {name}, from which no standby streams: nothing is delivered until one does"),
        ),
        None => (true, format!("nothing is delivered before {setting} has it")),
    };
    let active = standbys.iter().find(|standby| standby.is_active);
    let name = active
        .or(standbys.first())
        .map_or("standby_1", |standby| &standby.slot);
    Ok(Line {
        name: "failover: synchronized_standby_slots",
        holds,
        found,
        fix: format!(
            "ALTER SYSTEM SET synchronized_standby_slots = {}; SELECT pg_reload_conf()",
            literal(name)
        ),
    })
}

/// Without it the rows that the copies of our slot need are vacuumed, and the copies are invalidated.
fn feedback(standbys: &[Standby]) -> Line {
    let feeds_back = standbys
        .iter()
        .any(|standby| standby.is_active && standby.feeds_back);
    Line {
        name: "failover: hot_standby_feedback",
        holds: feeds_back,
        found: if feeds_back {
            "the standby tells what it still needs"
        } else {
            "no standby tells what it still needs"
        }
        .to_owned(),
        fix: "set hot_standby_feedback = on on the standby".to_owned(),
    }
}

/// The worker's connection shows, unless `primary_conninfo` names it otherwise; what it holds back shows once it has copied.
async fn synchronisation(client: &Client, slot: &str, standbys: &[Standby]) -> Result<Line, PostgresError> {
    let sql = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE '%slotsync worker')";
    let has_worker: bool = value(DOING, &one(client, DOING, sql, &[]).await?, 0)?;
    let has_copies = standbys
        .iter()
        .any(|standby| standby.is_active && standby.has_logical_slots);
    Ok(Line {
        name: "failover: sync_replication_slots",
        holds: has_worker || has_copies,
        found: match (has_worker, has_copies) {
            (true, _) => "a standby copies slots all the time",
            (false, true) => "a standby holds logical slots",
            (false, false) => "no standby is seen to copy slots",
        }
        .to_owned(),
        fix: format!(
            "set sync_replication_slots = on on the standby, with a dbname in its primary_conninfo; there, \
             SELECT synced, temporary FROM pg_replication_slots WHERE slot_name = {} must give true and false",
            literal(slot)
        ),
    })
}
