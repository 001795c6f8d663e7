//! Leadership role of an instance: leader or standby, since when, and the last takeover.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Duration;

use walcast_pgoutput::PgTimestamp;

/// Role of an instance among the instances of its connector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Neither leader nor standby: the instance is connecting or lost its connection.
    #[default]
    None,
    /// Leader: the instance holds leadership.
    Leader,
    /// Standby: the instance waits for leadership.
    Standby,
}

impl Role {
    /// Name of the role: `none`, `leader` or `standby`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Role::None => "none",
            Role::Leader => "leader",
            Role::Standby => "standby",
        }
    }
}

/// Session that holds the leadership lock without being an instance of the connector. No instance can lead until the
/// session ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignHolder {
    /// Process of the session; `None` for a prepared transaction.
    pub pid: Option<i32>,
    /// Role of the session.
    pub role: String,
    /// `application_name` of the session.
    pub application_name: String,
    /// Lock mode; an instance holds an `ExclusiveLock`.
    pub mode: String,
}

impl ForeignHolder {
    /// Statements for an administrator: one to inspect the session, and one to end it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self.pid {
            Some(pid) => format!(
                "SELECT * FROM pg_stat_activity WHERE pid = {pid}, and to end it: SELECT pg_terminate_backend({pid})"
            ),
            None => "SELECT * FROM pg_prepared_xacts, and to end it: ROLLBACK PREPARED".to_owned(),
        }
    }
}

impl fmt::Display for ForeignHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pid,
            role,
            application_name,
            mode,
        } = self;
        f.write_str("the leadership lock is held by ")?;
        match pid {
            Some(pid) => write!(
                f,
                "process {pid} (role {role:?}, application_name {application_name:?}, {mode})"
            )?,
            None => write!(f, "a prepared transaction ({mode})")?,
        }
        f.write_str(", which is not an instance of this connector")
    }
}

/// Role of an instance, and what is known about its leadership. Clones share the state.
#[derive(Clone, Debug, Default)]
pub struct RoleState(Arc<RwLock<RoleView>>);

/// Role of an instance at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleView {
    /// Current role.
    pub role: Role,
    /// Time of the last role change; `None` before the first role.
    pub since: Option<PgTimestamp>,
    /// Number of times that this instance became the leader after being a standby.
    pub takeovers: u64,
    /// Time of the last takeover.
    pub last_takeover: Option<PgTimestamp>,
    /// Time from leadership to the stream at the last takeover.
    pub takeover_duration: Option<Duration>,
    /// Session outside the connector that keeps its instances from leading, if there is one.
    pub foreign_holder: Option<ForeignHolder>,
}

impl RoleState {
    /// Current role, with everything that is known about leadership.
    #[must_use]
    pub fn read(&self) -> RoleView {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets the session outside the connector that holds the leadership lock; `None` if an instance holds the lock.
    pub fn set_foreign_holder(&self, holder: Option<ForeignHolder>) {
        self.lock().foreign_holder = holder;
    }

    /// Changes the role, unless it is the current one.
    pub(crate) fn set(&self, role: Role) {
        let mut view = self.lock();
        let before = view.role;
        if before == role {
            return;
        }
        let now = Some(PgTimestamp::now());
        view.role = role;
        view.since = now;
        if (before, role) == (Role::Standby, Role::Leader) {
            view.takeovers += 1;
            view.last_takeover = now;
        }
    }

    /// Sets the time from leadership to the stream at the last takeover.
    pub(crate) fn streams_after(&self, duration: Duration) {
        self.lock().takeover_duration = Some(duration);
    }

    /// Locks the state. A poisoned lock is ignored: no code panics while holding it, and a display is not worth
    /// stopping the connector.
    fn lock(&self) -> RwLockWriteGuard<'_, RoleView> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{ForeignHolder, Role, RoleState};

    #[test]
    fn shows_a_foreign_holder_until_the_lock_is_released() {
        let state = RoleState::default();
        let holder = ForeignHolder {
            pid: Some(7),
            role: "clerk".to_owned(),
            application_name: "psql\u{1b}[31m".to_owned(),
            mode: "ShareLock".to_owned(),
        };
        state.clone().set_foreign_holder(Some(holder.clone()));
        assert_eq!(state.read().foreign_holder, Some(holder.clone()));
        let text = holder.to_string();
        assert!(
            text.contains("process 7 (role \"clerk\", application_name \"psql\\u{1b}[31m\", ShareLock)"),
            "{text}"
        );
        state.set_foreign_holder(None);
        assert_eq!(state.read().foreign_holder, None);
    }

    #[test]
    fn counts_a_takeover_when_a_standby_becomes_the_leader() {
        let state = RoleState::default();
        let view = state.read();
        assert_eq!((view.role, view.since), (Role::None, None));
        state.set(Role::Leader);
        let view = state.read();
        assert_eq!((view.role, view.takeovers), (Role::Leader, 0));
        assert!(view.since.is_some());
        for takeovers in 1..=2 {
            state.set(Role::None);
            state.set(Role::Standby);
            state.set(Role::Leader);
            state.set(Role::Leader);
            assert_eq!(state.read().takeovers, takeovers);
        }
        let view = state.read();
        assert_eq!(view.last_takeover, view.since);
    }
}
