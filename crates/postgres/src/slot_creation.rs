//! Use of a slot by other sessions: whom its creation waits for, how the creation is ended early, and who holds the slot.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};
use walcast_delivery::SlotCreationState;

use crate::catalog;
use crate::connect::{Client, SqlSession};
use crate::error::PostgresError;

/// Interval at which a wait is logged again although the server waits for the same transaction.
const REMINDER: Duration = Duration::from_secs(60);

/// Time in which the server removes a slot whose creation was ended.
const REMOVAL_TIMEOUT: Duration = Duration::from_secs(4);

const POLL: Duration = Duration::from_millis(50);

/// Observer of the creation of a slot.
pub(crate) struct SlotCreationObserver {
    /// Session that looks up transactions; `None` logs the wait alone.
    client: Option<Arc<Client>>,
    state: SlotCreationState,
    logged: Option<Instant>,
}

impl SlotCreationObserver {
    /// Observer that names the transactions, in the process log and in `state`.
    pub(crate) fn new(client: Arc<Client>, state: SlotCreationState) -> Self {
        Self {
            client: Some(client),
            state,
            logged: None,
        }
    }

    /// Observer that logs the wait alone.
    pub(crate) fn unnamed() -> Self {
        Self {
            client: None,
            state: SlotCreationState::default(),
            logged: None,
        }
    }

    /// Reports that the creation of `slot` has not ended after `waited`.
    pub(crate) async fn report(&mut self, slot: &str, waited: Duration) {
        let waited_s = waited.as_secs();
        let blocking = match &self.client {
            None => Vec::new(),
            Some(client) => match catalog::awaited_transactions(client, slot).await {
                Ok(blocking) => blocking,
                Err(error) => {
                    debug!(slot, %error, "the transactions that the creation of the slot waits for cannot be looked up");
                    Vec::new()
                }
            },
        };
        let has_changed = self.state.read() != blocking;
        if !has_changed && self.logged.is_some_and(|logged| logged.elapsed() < REMINDER) {
            return;
        }
        self.logged = Some(Instant::now());
        if blocking.is_empty() {
            info!(
                slot,
                waited_s, "creating the slot waits for the running transactions to end"
            );
        }
        for one in &blocking {
            let end_with = one.remedy();
            warn!(
                slot,
                waited_s, end_with, "creating the slot waits for {one} to end"
            );
        }
        // Shown once it is logged.
        self.state.set(blocking);
    }
}

impl Drop for SlotCreationObserver {
    fn drop(&mut self) {
        self.state.set(Vec::new());
    }
}

/// Ends the creation of the slot by a walsender of the connector, and waits until the server has removed the slot. A slot that is
/// complete, or that another client creates, is left alone.
pub(crate) async fn end_slot_creation(
    session: &SqlSession,
    slot: &str,
    application_name: &str,
) -> Result<(), PostgresError> {
    let began = Instant::now();
    let mut ended = None;
    while began.elapsed() < REMOVAL_TIMEOUT {
        let found = catalog::slot(&session.client, session.server_version, slot, application_name).await?;
        let creator = found.and_then(|slot| slot.creator());
        let Some(creator) = creator.filter(|creator| creator.is_connector) else {
            return Ok(());
        };
        if ended != Some(creator.pid) {
            info!(slot, pid = creator.pid, "the creation of the slot is cancelled");
            catalog::terminate_walsender(&session.client, slot, creator.pid).await?;
            ended = Some(creator.pid);
        }
        sleep(POLL).await;
    }
    Ok(())
}

/// Adds the process that uses the slot, and the time for which the slot was awaited before, to an error that says that another
/// connection uses it.
pub(crate) async fn with_holder(
    error: PostgresError,
    session: &SqlSession,
    application_name: &str,
    waited_before: Duration,
) -> PostgresError {
    let (slot, waited, error) = match error {
        PostgresError::SlotActive {
            slot, waited, error, ..
        } => (slot, waited, error),
        other => return other,
    };
    // A failed look-up must not hide the error itself.
    let found = catalog::slot(&session.client, session.server_version, &slot, application_name).await;
    PostgresError::SlotActive {
        holder: found.ok().flatten().and_then(|slot| slot.user()),
        slot,
        waited: waited_before.saturating_add(waited),
        error,
    }
}
