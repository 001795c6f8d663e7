//! Leadership: the connection that holds the leadership lock. No other queries use it, so that its silence is meaningful.
//!
//! ```text
//! leader ──query───▶ server    four times per leader timeout
//! leader ◀──answer── server    missing for half of the timeout: the leader steps down
//! standby ─────────▶ server    the lock is free as soon as the server ends the leader's connection: at once when
//!                              the process has ended, after the leader timeout when it sends no query
//! ```
//!
//! A suspended process is the hard case: its kernel keeps answering, so no keepalive detects it; only the missing query does. A leader
//! that still runs steps down before the server ends its session, so that two instances never write at the same time when the network
//! is partitioned; a suspended leader is fenced by Kafka when it resumes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};
use walcast_delivery::{ForeignHolder, RoleState};

use crate::catalog::{self, LockHolder};
use crate::connect::{Client, SqlSession};
use crate::error::PostgresError;

/// First version with `idle_session_timeout`: older servers detect a lost peer, but not a suspended one.
const IDLE_SESSION_TIMEOUT_SINCE: u32 = 140_000;

/// Number of queries per timeout, so that one late query does not end leadership.
const QUERIES_PER_TIMEOUT: u32 = 4;

/// Divisor of the timeout after which the leader steps down, before the server ends the session.
const PATIENCE_PER_TIMEOUT: u32 = 2;

/// Interval at which a standby tries to take the lock. A statement that waits for the lock would hold back VACUUM.
const POLL: Duration = Duration::from_millis(250);

/// Interval at which a standby logs that it stands by.
const REMINDER: Duration = Duration::from_secs(60);

/// Interval at which a standby checks who holds the lock.
const HOLDER_CHECK: Duration = Duration::from_secs(5);

/// Leadership of a connector, which ends with its connection. Dropping it ends the connection.
pub(crate) struct Leadership {
    pub(crate) session: SqlSession,
    lost: watch::Receiver<Option<String>>,
    /// Task that queries the lock.
    _checking: JoinSet<()>,
}

impl Leadership {
    /// Waits until this session holds the lock. Cancelling the future closes the connection and releases the lock.
    pub(crate) async fn acquire(
        session: SqlSession,
        name: &str,
        leader_timeout: Duration,
        role: &RoleState,
    ) -> Result<Leadership, PostgresError> {
        let client = Arc::clone(&session.client);
        let settings = settings(leader_timeout, session.server_version);
        catalog::execute(&client, "preparing leadership", &settings).await?;
        let acquired = wait(&session, name, leader_timeout, role).await;
        role.set_foreign_holder(None);
        acquired?;
        if !catalog::holds_lock(&client, name).await? {
            return Err(PostgresError::PooledConnection {
                endpoint: session.endpoint.to_string(),
            });
        }
        let (losing, lost) = watch::channel(None);
        let mut checking = JoinSet::new();
        let (name, hang_up) = (name.to_owned(), session.hang_up());
        checking.spawn(async move {
            let why = check_lock(&client, &name, leader_timeout).await;
            losing.send_replace(Some(why));
            // The server releases the lock as soon as it sees the closed connection, however long the session's end takes.
            hang_up.notify_one();
        });
        Ok(Leadership {
            session,
            lost,
            _checking: checking,
        })
    }

    /// Waits until leadership is lost, and returns the reason. Cancel-safe.
    pub(crate) async fn lost(&self) -> String {
        let mut lost = self.lost.clone();
        let silent = async {
            match lost.wait_for(Option::is_some).await {
                Ok(why) => why.clone(),
                // The task ends without a reason only when the runtime ends.
                Err(_) => None,
            }
        };
        // Silence first: it ends the connection, and its reason says more.
        tokio::select! {
            biased;
            why = silent => why.unwrap_or_else(|| "its task has ended".to_owned()),
            why = self.session.ended() => why,
        }
    }

    /// Whether leadership is lost.
    pub(crate) fn is_lost(&self) -> bool {
        self.session.has_ended() || self.lost.borrow().is_some()
    }
}

/// Tries to take the lock until it is free.
async fn wait(
    session: &SqlSession,
    name: &str,
    leader_timeout: Duration,
    role: &RoleState,
) -> Result<(), PostgresError> {
    let mut standing_by = StandingBy::default();
    loop {
        // A lost answer may have been positive: closing the connection releases the lock then.
        let answer = timeout(leader_timeout, catalog::try_lock(&session.client, name)).await;
        let is_leader = answer.map_err(|_| PostgresError::LeadershipLost {
            name: name.to_owned(),
            why: silence(leader_timeout),
        })??;
        if is_leader {
            break;
        }
        if standing_by
            .checked
            .is_none_or(|checked| checked.elapsed() >= HOLDER_CHECK)
        {
            let holder = catalog::lock_holder(&session.client, name).await?;
            standing_by.checked = Some(Instant::now());
            let foreign = match holder {
                LockHolder::Foreign(foreign) => Some(foreign),
                LockHolder::Free | LockHolder::Instance { .. } => None,
            };
            // Shown once it is logged.
            standing_by.log(session, name, foreign.clone());
            role.set_foreign_holder(foreign);
        }
        sleep(POLL).await;
    }
    if standing_by.logged.is_some() {
        info!(name, endpoint = %session.endpoint, "leading now");
    }
    Ok(())
}

/// State of a standby: what it has found and logged.
#[derive(Default)]
struct StandingBy {
    checked: Option<Instant>,
    logged: Option<Instant>,
    foreign: Option<ForeignHolder>,
}

impl StandingBy {
    /// Logs for which session the instance stands by, at each change and from time to time.
    fn log(&mut self, session: &SqlSession, name: &str, foreign: Option<ForeignHolder>) {
        let is_due = self.logged.is_none_or(|logged| logged.elapsed() >= REMINDER);
        if !is_due && self.foreign == foreign {
            return;
        }
        match &foreign {
            None => info!(name, endpoint = %session.endpoint, "standing by: another instance leads"),
            Some(holder) => warn!(
                name,
                endpoint = %session.endpoint,
                pid = holder.pid,
                role = holder.role,
                next = holder.remedy(),
                "standing by, but {holder}: no instance can lead until that session ends"
            ),
        }
        self.logged = Some(Instant::now());
        self.foreign = foreign;
    }
}

/// Queries whether the lock is still held, until it is not or the server does not answer; returns the reason.
async fn check_lock(client: &Client, name: &str, leader_timeout: Duration) -> String {
    let patience = leader_timeout / PATIENCE_PER_TIMEOUT;
    loop {
        sleep(leader_timeout / QUERIES_PER_TIMEOUT).await;
        match timeout(patience, catalog::holds_lock(client, name)).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => return "the server has released the lock".to_owned(),
            Ok(Err(error)) => return error.to_string(),
            Err(_) => return silence(patience),
        }
    }
}

fn silence(limit: Duration) -> String {
    format!("the server has not answered for {} ms", limit.as_millis())
}

/// Settings by which the server ends the session after `leader_timeout` without a query of the process, or, in versions without such a
/// timeout, without a response of the peer.
fn settings(leader_timeout: Duration, server_version: u32) -> String {
    let half_secs = (leader_timeout.as_secs() / 2).max(1);
    let sixth_secs = (leader_timeout.as_secs() / 6).max(1);
    let timeout_ms = leader_timeout.as_millis();
    let mut settings = format!(
        "SET tcp_keepalives_idle = {half_secs}; SET tcp_keepalives_interval = {sixth_secs}; \
         SET tcp_keepalives_count = 3; SET tcp_user_timeout = {timeout_ms}; SET statement_timeout = {timeout_ms}"
    );
    if server_version >= IDLE_SESSION_TIMEOUT_SINCE {
        settings.push_str(&format!("; SET idle_session_timeout = {timeout_ms}"));
    }
    settings
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use expect_test::expect;

    use super::settings;

    #[test]
    fn server_ends_the_session_of_a_silent_leader() {
        expect!["SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 1; SET tcp_keepalives_count = 3; SET tcp_user_timeout = 10000; SET statement_timeout = 10000; SET idle_session_timeout = 10000"]
            .assert_eq(&settings(Duration::from_secs(10), 140_000));
        expect!["SET tcp_keepalives_idle = 1; SET tcp_keepalives_interval = 1; SET tcp_keepalives_count = 3; SET tcp_user_timeout = 1000; SET statement_timeout = 1000"]
            .assert_eq(&settings(Duration::from_secs(1), 130_023));
    }
}
