//! WAL that the slot retains on the server, as `/status` reports it.

use std::time::Duration;

use serde::Serialize;
use walcast_delivery::{Drifted, Extent, LimitForecast, WalStatus, WalView};

use crate::remedy::{describe, retention_text};

/// Last sample of the WAL that the slot retains.
#[derive(Debug, Serialize)]
pub(super) struct Wal {
    end_lsn: String,
    restart_lsn: Option<String>,
    /// `reserved`, `extended`, `unreserved` or `lost`; null for servers before 13.
    wal_status: Option<&'static str>,
    retained_bytes: u64,
    written_bytes_per_second: Option<u64>,
    /// Size of `pg_wal`, where `[slot_monitor] wal_disk_size` is set and the role may read it.
    directory_bytes: Option<u64>,
    catalog_xmin_age: Option<u64>,
    /// Time since the slot was last used for streaming (17 and later).
    inactive_seconds: Option<u64>,
    /// Slots of `synchronized_standby_slots` that no standby uses; the server sends no changes meanwhile (17 and later).
    awaited_standbys: Vec<String>,
    /// Reason why the slot retains WAL.
    retained_by: Option<String>,
    /// Action that releases the WAL.
    remedy: Option<&'static str>,
    limits: Vec<Limit>,
}

/// Limit of the retained WAL.
#[derive(Debug, Serialize)]
pub(super) struct Limit {
    limit: &'static str,
    limit_bytes: Option<u64>,
    headroom_bytes: Option<u64>,
    /// Time until the limit is reached at the rate of the last minutes.
    time_to_limit_seconds: Option<u64>,
    /// Time until the limit is reached if no position is confirmed from now on.
    outage_budget_seconds: Option<u64>,
    at_risk: bool,
}

/// Difference between the publication and the configuration that prevents delivery of changes.
#[derive(Debug, Serialize)]
pub(super) struct Drift {
    /// Finding and its fix.
    finding: String,
    /// End of WAL at the last check without the finding.
    after: String,
}

impl Wal {
    pub(super) fn of(view: &WalView) -> Self {
        let look = &view.look;
        let retention = view.holder.as_ref().map(retention_text);
        Self {
            end_lsn: look.end.to_string(),
            restart_lsn: look.restart_lsn.map(|lsn| lsn.to_string()),
            wal_status: look.status.map(word),
            retained_bytes: look.retained_bytes(),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a rate for display; it is not negative"
            )]
            written_bytes_per_second: view.written_per_second.map(|rate| rate as u64),
            directory_bytes: look.directory_bytes(),
            catalog_xmin_age: look.catalog_xmin_age,
            inactive_seconds: look.inactive.map(|inactive| inactive.as_secs()),
            awaited_standbys: look.awaited_standbys.clone(),
            remedy: retention.as_ref().map(|text| text.remedy),
            retained_by: retention.map(|text| text.cause),
            limits: view.limits.iter().map(Limit::of).collect(),
        }
    }
}

impl Limit {
    /// Limit that is reached first; of those that are not approached, the one that an outage reaches first.
    pub(super) fn nearest(view: &WalView) -> Option<Self> {
        let nearest = view.limits.iter().min_by_key(|(outlook, _)| {
            let time = |time: Option<Duration>| time.unwrap_or(Duration::MAX);
            (time(outlook.left), time(outlook.outage))
        });
        nearest.map(Self::of)
    }

    fn of((outlook, at_risk): &(LimitForecast, bool)) -> Self {
        let limit_bytes = match outlook.extent {
            Extent::Bytes { limit, .. } => Some(limit),
            Extent::Time(_) => None,
        };
        Self {
            limit: outlook.limit.setting(),
            limit_bytes,
            headroom_bytes: outlook.extent.room(),
            time_to_limit_seconds: outlook.left.map(|left| left.as_secs()),
            outage_budget_seconds: outlook.outage.map(|outage| outage.as_secs()),
            at_risk: *at_risk,
        }
    }
}

impl Drift {
    pub(super) fn of(drifted: &Drifted) -> Self {
        Self {
            finding: describe(&drifted.finding),
            after: drifted.after.to_string(),
        }
    }
}

fn word(status: WalStatus) -> &'static str {
    match status {
        WalStatus::Reserved => "reserved",
        WalStatus::Extended => "extended",
        WalStatus::Unreserved => "unreserved",
        WalStatus::Lost => "lost",
    }
}
