//! The connection that leads: nothing else is asked over it, so that silence on it means something.
//!
//! ```text
//! leader ──question──▶ server    four times per lead timeout
//! leader ◀──answer──── server    missing for half of it: the leader gives the lead up
//! standby ─────────────▶ server  the lock is free as soon as the server ends the leader's connection:
//!                                at once when the process is gone, after the lead timeout without a question
//! ```
//!
//! A process that stands still is the hard case: its kernel goes on to answer for it, so no keepalive tells. Only the
//! missing question does. A leader that can still count gives up before the server does, so that in a cut network two never
//! write side by side; one that cannot is fenced by Kafka when it wakes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::Client;
use tracing::info;

use crate::catalog;
use crate::connect::Session;
use crate::error::PostgresError;

/// `idle_session_timeout` exists from here on: older servers notice a lost peer, but not one that stands still.
const IDLE_SESSION_TIMEOUT_SINCE: u32 = 140_000;

/// A late question is not the last one.
const QUESTIONS_PER_TIMEOUT: u32 = 4;

/// The leader gives up so much earlier than the server.
const PATIENCE_PER_TIMEOUT: u32 = 2;

/// How often a standby tries. Waiting inside of the server for the lock would hold back what VACUUM may remove.
const POLL: Duration = Duration::from_millis(250);

/// How often a standby says that it is one.
const REMINDER: Duration = Duration::from_secs(60);

/// The lead of a connector's name. It ends with its connection; dropping it ends that.
pub(crate) struct Lead {
    pub(crate) session: Session,
    lost: watch::Receiver<Option<String>>,
    /// The task that asks.
    _asking: JoinSet<()>,
}

impl Lead {
    /// Waits until this session holds the name's lock. Cancelling it closes the connection, and the lock with it.
    pub(crate) async fn take(
        session: Session,
        name: &str,
        lead_timeout: Duration,
    ) -> Result<Lead, PostgresError> {
        let client = Arc::clone(&session.client);
        let settings = settings(lead_timeout, session.server_version);
        catalog::execute(&client, "preparing the lead", &settings).await?;
        wait(&session, name, lead_timeout).await?;
        if !catalog::leads(&client, name).await? {
            return Err(PostgresError::Pooled {
                endpoint: session.endpoint.to_string(),
            });
        }
        let (tell, lost) = watch::channel(None);
        let mut asking = JoinSet::new();
        let (name, hang_up) = (name.to_owned(), session.hang_up());
        asking.spawn(async move {
            let why = ask(&client, &name, lead_timeout).await;
            tell.send_replace(Some(why));
            // Whatever the session's end still takes: the lock is free as soon as the server sees this.
            hang_up.notify_one();
        });
        Ok(Lead {
            session,
            lost,
            _asking: asking,
        })
    }

    /// Ends when the lead is lost, and says why. Cancel-safe.
    pub(crate) async fn lost(&self) -> String {
        let mut lost = self.lost.clone();
        let silent = async {
            match lost.wait_for(Option::is_some).await {
                Ok(why) => why.clone(),
                // The task is gone without a word only when the runtime ends.
                Err(_) => None,
            }
        };
        // Silence first: it ends the connection, and says more.
        tokio::select! {
            biased;
            why = silent => why.unwrap_or_else(|| "its task has ended".to_owned()),
            why = self.session.ended() => why,
        }
    }

    /// Whether it is lost.
    pub(crate) fn is_lost(&self) -> bool {
        self.session.has_ended() || self.lost.borrow().is_some()
    }
}

/// Tries until the lock is free.
async fn wait(session: &Session, name: &str, lead_timeout: Duration) -> Result<(), PostgresError> {
    let mut said: Option<Instant> = None;
    loop {
        // An answer that is lost on the way may have been yes: the connection is closed then, and the lock with it.
        let answer = timeout(lead_timeout, catalog::try_lead(&session.client, name)).await;
        let leads = answer.map_err(|_| PostgresError::LeadershipLost {
            name: name.to_owned(),
            why: silence(lead_timeout),
        })??;
        if leads {
            break;
        }
        if said.is_none_or(|said| said.elapsed() >= REMINDER) {
            info!(name, endpoint = %session.endpoint, "standing by: another instance leads");
            said = Some(Instant::now());
        }
        sleep(POLL).await;
    }
    if said.is_some() {
        info!(name, endpoint = %session.endpoint, "leading now");
    }
    Ok(())
}

/// Asks whether the lock is still held until it is not, or nobody answers; says why it ended.
async fn ask(client: &Client, name: &str, lead_timeout: Duration) -> String {
    let patience = lead_timeout / PATIENCE_PER_TIMEOUT;
    loop {
        sleep(lead_timeout / QUESTIONS_PER_TIMEOUT).await;
        match timeout(patience, catalog::leads(client, name)).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => return "the server has given the lock back".to_owned(),
            Ok(Err(error)) => return error.to_string(),
            Err(_) => return silence(patience),
        }
    }
}

fn silence(limit: Duration) -> String {
    format!("the server has not answered for {} ms", limit.as_millis())
}

/// Has the server end the session when it hears nothing for `lead_timeout`: of the process, or, where it cannot tell that, of
/// the peer.
fn settings(lead_timeout: Duration, server_version: u32) -> String {
    let half_secs = (lead_timeout.as_secs() / 2).max(1);
    let sixth_secs = (lead_timeout.as_secs() / 6).max(1);
    let timeout_ms = lead_timeout.as_millis();
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
    fn the_server_is_told_how_long_a_leader_may_be_silent() {
        expect!["SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 1; SET tcp_keepalives_count = 3; SET tcp_user_timeout = 10000; SET statement_timeout = 10000; SET idle_session_timeout = 10000"]
            .assert_eq(&settings(Duration::from_secs(10), 140_000));
        expect!["SET tcp_keepalives_idle = 1; SET tcp_keepalives_interval = 1; SET tcp_keepalives_count = 3; SET tcp_user_timeout = 1000; SET statement_timeout = 1000"]
            .assert_eq(&settings(Duration::from_secs(1), 130_023));
    }
}
