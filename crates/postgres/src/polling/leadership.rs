//! Leadership of a connector that polls: a transaction that holds the lock, and nothing else.
//!
//! The lock belongs to the transaction, because a pooler may give each transaction another session of the server. A transaction that has
//! written nothing and runs no statement holds no snapshot, so that it keeps no row from VACUUM. The server ends it when the process is
//! silent, as it ends the session of a leader that streams.
//!
//! Leadership keeps two instances from disturbing each other. What keeps an event from being sent twice is the fencing of the workers'
//! producers in Kafka.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tracing::info;
use walcast_delivery::RoleState;

use super::transaction;
use crate::catalog::{self, LockHolder};
use crate::config::PostgresConfig;
use crate::connect::{Client, SqlSession};
use crate::error::PostgresError;

/// Number of queries per timeout, so that one late query does not end leadership.
const QUERIES_PER_TIMEOUT: u32 = 4;

/// Divisor of the timeout after which the leader steps down, before the server ends the transaction.
const PATIENCE_PER_TIMEOUT: u32 = 2;

/// Interval at which a standby tries to take the lock.
const POLL: Duration = Duration::from_millis(250);

/// Interval at which a standby checks who holds the lock.
const HOLDER_CHECK: Duration = Duration::from_secs(5);

/// Transaction of the leader. Dropping it ends its connection, and so leadership.
pub(super) struct LeaderTransaction {
    session: SqlSession,
    lost: watch::Receiver<Option<String>>,
    /// Task that queries whether the transaction is open.
    _checking: JoinSet<()>,
}

impl LeaderTransaction {
    /// Waits until a transaction of this session holds the lock. Cancelling the future closes the connection.
    pub(super) async fn acquire(
        session: SqlSession,
        config: &PostgresConfig,
        role: &RoleState,
    ) -> Result<Self, PostgresError> {
        let limit = config.leader_timeout;
        let led = wait(&session, config, role).await;
        role.set_foreign_holder(None);
        led?;
        let (losing, lost) = watch::channel(None);
        let (client, hang_up) = (Arc::clone(&session.client), session.hang_up());
        let mut checking = JoinSet::new();
        checking.spawn(async move {
            let why = check(&client, limit).await;
            losing.send_replace(Some(why));
            hang_up.notify_one();
        });
        Ok(Self {
            session,
            lost,
            _checking: checking,
        })
    }

    /// Waits until leadership is lost, and returns the reason. Cancel-safe.
    pub(super) async fn lost(&self) -> String {
        let mut lost = self.lost.clone();
        let silent = async {
            match lost.wait_for(Option::is_some).await {
                Ok(why) => why.clone(),
                Err(_) => None,
            }
        };
        tokio::select! {
            biased;
            why = silent => why.unwrap_or_else(|| "its task has ended".to_owned()),
            why = self.session.ended() => why,
        }
    }
}

/// Tries to take the lock until it is free. The transaction that holds it stays open.
async fn wait(session: &SqlSession, config: &PostgresConfig, role: &RoleState) -> Result<(), PostgresError> {
    let (name, limit) = (&config.name, config.leader_timeout);
    let idle_limit = format!(
        "SET LOCAL idle_in_transaction_session_timeout = {}",
        limit.as_millis()
    );
    let mut checked: Option<Instant> = None;
    loop {
        transaction::begin(session).await?;
        catalog::execute(&session.client, "preparing leadership", &idle_limit).await?;
        if catalog::try_transaction_lock(&session.client, name).await? {
            if checked.is_some() {
                info!(name, endpoint = %session.endpoint, "leading now");
            }
            return Ok(());
        }
        if checked.is_none_or(|checked| checked.elapsed() >= HOLDER_CHECK) {
            if checked.is_none() {
                info!(name, endpoint = %session.endpoint, "standing by: another instance leads");
            }
            checked = Some(Instant::now());
            let foreign = match catalog::lock_holder(&session.client, name).await? {
                LockHolder::Foreign(foreign) => Some(foreign),
                LockHolder::Free | LockHolder::Instance { .. } => None,
            };
            role.set_foreign_holder(foreign);
        }
        transaction::roll_back(session).await?;
        sleep(POLL).await;
    }
}

/// Queries whether the server still answers in the transaction, until it does not; returns the reason.
async fn check(client: &Client, limit: Duration) -> String {
    const DOING: &str = "keeping leadership";
    let patience = limit / PATIENCE_PER_TIMEOUT;
    loop {
        sleep(limit / QUERIES_PER_TIMEOUT).await;
        match timeout(patience, catalog::execute(client, DOING, "SELECT")).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error.to_string(),
            Err(_) => {
                return format!("the server has not answered for {} ms", patience.as_millis());
            }
        }
    }
}
