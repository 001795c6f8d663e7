//! What the slot costs its server, as it is shown.

use serde::Serialize;
use walcast_delivery::{Drifted, Extent, Holder, Outlook, WalStatus, WalView};

/// The last look at the log that the slot holds back.
#[derive(Debug, Serialize)]
pub(super) struct Wal {
    end_lsn: String,
    restart_lsn: Option<String>,
    /// `reserved`, `extended`, `unreserved` or `lost`; servers before 13 do not tell.
    wal_status: Option<&'static str>,
    retained_bytes: u64,
    written_bytes_per_second: Option<u64>,
    /// Where `[guard] wal_disk` is set and the role may see it.
    directory_bytes: Option<u64>,
    catalog_xmin_age: Option<u64>,
    /// How long nobody has streamed (17 and later).
    inactive_seconds: Option<u64>,
    /// Slots of `synchronized_standby_slots` from which no standby streams: nothing is sent meanwhile (17 and later).
    awaited_standbys: Vec<String>,
    /// Why the slot holds it back.
    held_by: Option<String>,
    /// What helps.
    next: Option<&'static str>,
    limits: Vec<Near>,
}

/// One limit.
#[derive(Debug, Serialize)]
struct Near {
    limit: &'static str,
    limit_bytes: Option<u64>,
    room_bytes: Option<u64>,
    /// When it is reached if things go on as in the last minutes.
    left_seconds: Option<u64>,
    /// When it is reached if nothing is confirmed from now on.
    outage_seconds: Option<u64>,
    endangered: bool,
}

/// What keeps changes from arriving.
#[derive(Debug, Serialize)]
pub(super) struct Drift {
    /// What was found and what mends it.
    finding: String,
    /// The end of the log when it was not yet so.
    after: String,
}

impl Wal {
    pub(super) fn of(view: &WalView) -> Self {
        let look = &view.look;
        Self {
            end_lsn: look.end.to_string(),
            restart_lsn: look.restart_lsn.map(|lsn| lsn.to_string()),
            wal_status: look.status.map(word),
            retained_bytes: look.retained_bytes(),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a rate for people; it is not negative"
            )]
            written_bytes_per_second: view.written_per_second.map(|rate| rate as u64),
            directory_bytes: look.directory_bytes(),
            catalog_xmin_age: look.catalog_xmin_age,
            inactive_seconds: look.inactive.map(|inactive| inactive.as_secs()),
            awaited_standbys: look.awaited_standbys.clone(),
            held_by: view.holder.as_ref().map(Holder::what),
            next: view.holder.as_ref().map(Holder::remedy),
            limits: view.limits.iter().map(Near::of).collect(),
        }
    }
}

impl Near {
    fn of((outlook, endangered): &(Outlook, bool)) -> Self {
        let limit_bytes = match outlook.extent {
            Extent::Bytes { limit, .. } => Some(limit),
            Extent::Time(_) => None,
        };
        Self {
            limit: outlook.limit.setting(),
            limit_bytes,
            room_bytes: outlook.extent.room(),
            left_seconds: outlook.left.map(|left| left.as_secs()),
            outage_seconds: outlook.outage.map(|outage| outage.as_secs()),
            endangered: *endangered,
        }
    }
}

impl Drift {
    pub(super) fn of(drifted: &Drifted) -> Self {
        Self {
            finding: drifted.finding.to_string(),
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
