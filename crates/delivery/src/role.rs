//! Whether an instance leads its connector's name or stands by, since when, and when it took over.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use walcast_pgoutput::PgTimestamp;

use crate::PositionGauge;

/// What an instance is to the others of its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Neither: it connects, or was cut off.
    #[default]
    None,
    /// It holds the lead.
    Leader,
    /// It waits for the lead.
    Standby,
}

impl Role {
    /// One word for it: `none`, `leader` or `standby`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Role::None => "none",
            Role::Leader => "leader",
            Role::Standby => "standby",
        }
    }
}

/// The role as figures. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct RoleBoard {
    leading: PositionGauge,
    standing_by: PositionGauge,
    since_seconds: PositionGauge,
    takeovers: Counter,
    last_takeover_seconds: PositionGauge,
    takeover_duration_seconds: Gauge<f64, AtomicU64>,
}

impl RoleBoard {
    /// The role now.
    #[must_use]
    pub fn role(&self) -> Role {
        match (self.leading.get(), self.standing_by.get()) {
            (1, _) => Role::Leader,
            (_, 1) => Role::Standby,
            _ => Role::None,
        }
    }

    /// Since when, in seconds since 1970; `None` before the first role.
    #[must_use]
    pub fn since(&self) -> Option<u64> {
        Some(self.since_seconds.get()).filter(|seconds| *seconds > 0)
    }

    /// How often this instance led after it had stood by.
    #[must_use]
    pub fn takeovers(&self) -> u64 {
        self.takeovers.get()
    }

    /// When it did so last, in seconds since 1970.
    #[must_use]
    pub fn last_takeover(&self) -> Option<u64> {
        Some(self.last_takeover_seconds.get()).filter(|seconds| *seconds > 0)
    }

    /// Takes a role up, or goes on with it.
    pub(crate) fn set(&self, role: Role) {
        let before = self.role();
        if before == role {
            return;
        }
        self.leading.set(u64::from(role == Role::Leader));
        self.standing_by.set(u64::from(role == Role::Standby));
        self.since_seconds.set(now_seconds());
        if (before, role) == (Role::Standby, Role::Leader) {
            self.takeovers.inc();
            self.last_takeover_seconds.set(now_seconds());
        }
    }

    /// Takes note of how long it took from the lead to the stream, after a takeover.
    pub(crate) fn streams_after(&self, seconds: f64) {
        self.takeover_duration_seconds.set(seconds);
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("leading", "1 while this instance leads", self.leading.clone());
        registry.register(
            "standing_by",
            "1 while another instance leads and this one waits",
            self.standing_by.clone(),
        );
        registry.register(
            "role_since_timestamp_seconds",
            "When this instance began to lead, to stand by, or to do neither",
            self.since_seconds.clone(),
        );
        registry.register(
            "takeovers",
            "How often this instance led after standing by",
            self.takeovers.clone(),
        );
        registry.register(
            "last_takeover_timestamp_seconds",
            "When it did so last",
            self.last_takeover_seconds.clone(),
        );
        registry.register(
            "takeover_duration_seconds",
            "From the lead to the stream, at the last takeover",
            self.takeover_duration_seconds.clone(),
        );
    }
}

fn now_seconds() -> u64 {
    u64::try_from(PgTimestamp::now().unix_micros() / 1_000_000).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Role, RoleBoard};

    #[test]
    fn a_takeover_is_a_lead_after_standing_by() {
        let board = RoleBoard::default();
        assert_eq!((board.role(), board.since()), (Role::None, None));
        board.set(Role::Leader);
        assert_eq!((board.role(), board.takeovers()), (Role::Leader, 0));
        assert!(board.since().is_some());
        for takeovers in 1..=2 {
            board.set(Role::None);
            board.set(Role::Standby);
            board.set(Role::Leader);
            board.set(Role::Leader);
            assert_eq!(board.takeovers(), takeovers);
        }
        assert_eq!(board.last_takeover(), board.since());
    }
}
