//! The guardian of the slot: how much log it holds back, how long that goes well, and who is to blame.
//!
//! ```text
//! WalWatch::look ──WalLook──▶ Outlooks (rates, time left per limit) ──▶ Alarm (say it? once, by halves, over) ──▶ log
//!                                          └──▶ figures, board
//! ```
//!
//! It looks for as long as the connector leads, beside its sessions: a slot is lost while nothing is streamed. It decides
//! nothing and stops nothing.

mod alarm;
mod board;
mod figures;
mod holder;
mod look;
mod outlook;
mod standbys;
mod trend;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{info, warn};
use walcast_pgoutput::Lsn;

pub use board::{WalBoard, WalView};
pub use figures::{LimitLabels, WalFigures};
pub use holder::Holder;
pub use look::{WalDirectory, WalLook};
pub use outlook::{Extent, Limit, Outlook};

use self::alarm::{Alarm, Say};
use self::holder::Progress;
use self::outlook::Outlooks;
use self::standbys::AwaitedStandbys;
use crate::edge::WalWatch;
use crate::{Metrics, Status};

/// A look that takes longer says that the server does not answer.
const LOOK_TIMEOUT: Duration = Duration::from_secs(60);

/// What the guardian can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardConfig {
    /// The slot's name, for messages.
    pub slot: String,
    /// How often it looks.
    pub interval: Duration,
    /// How long before a limit is reached it is warned of; zero: never.
    pub warn_before: Duration,
    /// How large `pg_wal` may become before its disk is full; `None`: that is not known.
    pub wal_disk: Option<u64>,
}

/// Looks at the slot from time to time, and says when it is in danger.
#[derive(Debug)]
pub struct Guardian<W> {
    eyes: W,
    config: GuardConfig,
    metrics: Metrics,
    status: watch::Receiver<Status>,
    /// Why the stream ended last; nothing while it runs.
    last_fault: Option<String>,
    begun: Instant,
    outlooks: Outlooks,
    alarms: BTreeMap<&'static str, Alarm>,
    standbys: AwaitedStandbys,
    /// What was said about looking itself, until it goes well again.
    told_fault: Option<String>,
    told_not_permitted: bool,
}

impl<W: WalWatch> Guardian<W> {
    /// A guardian of the slot that `eyes` see, of a connector with these figures and this state.
    pub fn new(eyes: W, config: GuardConfig, metrics: Metrics, status: watch::Receiver<Status>) -> Self {
        Self {
            eyes,
            config,
            metrics,
            status,
            last_fault: None,
            begun: Instant::now(),
            outlooks: Outlooks::default(),
            alarms: BTreeMap::new(),
            standbys: AwaitedStandbys::default(),
            told_fault: None,
            told_not_permitted: false,
        }
    }

    /// Looks until dropped.
    pub async fn run(mut self) -> Infallible {
        let mut looks = tokio::time::interval(self.config.interval);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut status = self.status.clone();
        loop {
            tokio::select! {
                biased;
                // An error means that the connector is gone, and then this is dropped as well.
                Ok(()) = status.changed() => self.note(&status.borrow_and_update().clone()),
                _ = looks.tick() => self.look().await,
            }
        }
    }

    /// A fault is seen for a moment only, and explains everything until the stream is there again.
    fn note(&mut self, status: &Status) {
        match status {
            Status::Retrying { error, .. } | Status::Halted { error } => {
                self.last_fault = Some(error.clone())
            }
            Status::Streaming => self.last_fault = None,
            Status::Connecting | Status::Standby => {}
        }
    }

    async fn look(&mut self) {
        let looked = tokio::time::timeout(LOOK_TIMEOUT, self.eyes.look()).await;
        let fault = match looked {
            Ok(Ok(Some(look))) => {
                self.told_fault = None;
                return self.judge(look);
            }
            Ok(Ok(None)) => None,
            Ok(Err(fault)) => Some(fault.to_string()),
            Err(_) => Some("the server does not answer".to_owned()),
        };
        if let Some(error) = fault
            && self.told_fault.as_ref() != Some(&error)
        {
            warn!(slot = self.config.slot, error, "the slot cannot be looked at");
            self.told_fault = Some(error);
        }
        self.outlooks.clear();
        self.standbys.clear();
        self.show(None);
    }

    fn judge(&mut self, look: WalLook) {
        let at = self.begun.elapsed();
        let outlooks = self.outlooks.after(at, &look, self.config.wal_disk);
        let progress = self.progress();
        for outlook in &outlooks {
            let alarm = self.alarms.entry(outlook.limit.setting()).or_default();
            match alarm.judge(outlook, self.config.warn_before) {
                Some(Say::Near) => self.warn(&look, outlook, &progress),
                Some(Say::Over) => info!(
                    slot = self.config.slot,
                    limit = outlook.limit.setting(),
                    retained_bytes = look.retained_bytes(),
                    "the slot is far from its limit again"
                ),
                None => {}
            }
        }
        // One that is not there any more cannot be near.
        self.alarms
            .retain(|setting, _| outlooks.iter().any(|outlook| outlook.limit.setting() == *setting));
        self.tell_whether_permitted(&look);
        self.standbys.judge(&self.config.slot, &look.awaited_standbys);
        let is_raised = |outlook: &Outlook| {
            let alarm = self.alarms.get(outlook.limit.setting());
            alarm.is_some_and(|alarm| alarm.is_raised())
        };
        let view = WalView {
            written_per_second: self.outlooks.written_per_second(),
            holder: Holder::of_slot(&look, &progress),
            limits: outlooks
                .iter()
                .map(|outlook| (*outlook, is_raised(outlook)))
                .collect(),
            look,
        };
        self.show(Some(view));
    }

    fn show(&self, view: Option<WalView>) {
        self.metrics.wal.show(view.as_ref());
        self.metrics.wal_board.show(view);
    }

    fn progress(&self) -> Progress {
        let metrics = &self.metrics;
        let is_streaming = metrics.streaming.get() == 1;
        let window = metrics.snapshot.read().window;
        Progress {
            not_streaming: (!is_streaming).then(|| self.why_not()),
            snapshot: window.map(|window| window.since.elapsed()),
            received: Lsn::new(metrics.received_lsn.get()),
            checkpointed: Lsn::new(metrics.checkpointed_lsn.get()),
        }
    }

    fn why_not(&self) -> String {
        let fault = self.last_fault.clone();
        fault.unwrap_or_else(|| format!("it is {}", self.status.borrow().word()))
    }

    fn warn(&self, look: &WalLook, outlook: &Outlook, progress: &Progress) {
        let holder = Holder::of_limit(look, progress, outlook);
        let remedy = holder.as_ref().map_or("", Holder::remedy);
        let separator = if remedy.is_empty() { "" } else { "; " };
        warn!(
            slot = self.config.slot,
            limit = outlook.limit.setting(),
            retained_bytes = look.retained_bytes(),
            room_bytes = outlook.extent.room(),
            left_seconds = outlook.left.map(|left| left.as_secs()),
            outage_seconds = outlook.outage.map(|outage| outage.as_secs()),
            held_by = holder.as_ref().map(Holder::what),
            next = format!("{remedy}{separator}{}", outlook.limit.reprieve()),
            "{}",
            outlook.limit.danger()
        );
    }

    /// Said once: without it nothing is known about the disk, and that must not look as if all were well.
    fn tell_whether_permitted(&mut self, look: &WalLook) {
        let WalDirectory::NotPermitted { role } = &look.directory else {
            self.told_not_permitted = false;
            return;
        };
        if !self.told_not_permitted {
            let next = format!("GRANT pg_monitor TO {}", crate::sql::identifier(role));
            warn!(
                slot = self.config.slot,
                next, "the size of pg_wal may not be asked for, so [guard] wal_disk has no effect"
            );
            self.told_not_permitted = true;
        }
    }
}

impl Limit {
    /// What comes near.
    fn danger(self) -> &'static str {
        match self {
            Limit::KeepSize => "the slot comes near max_slot_wal_keep_size, where the server gives it up",
            Limit::Disk => "pg_wal comes near the size of its disk, where the server stops",
            Limit::IdleTimeout => {
                "the slot comes near idle_replication_slot_timeout, where the server gives it up"
            }
        }
    }

    /// What gains time.
    fn reprieve(self) -> &'static str {
        match self {
            Limit::KeepSize => {
                "to gain time, raise it: ALTER SYSTEM SET max_slot_wal_keep_size = '…'; SELECT pg_reload_conf()"
            }
            Limit::Disk => {
                "to gain time, enlarge the disk; max_slot_wal_keep_size makes the server give the slot up rather than stop"
            }
            Limit::IdleTimeout => {
                "to gain time, raise it: ALTER SYSTEM SET idle_replication_slot_timeout = '…'; SELECT pg_reload_conf()"
            }
        }
    }
}

#[cfg(test)]
mod tests;
