//! Notifications to the service manager: readiness, state and watchdog of a unit with `Type=notify`.
//!
//! A service is ready when its connector streams or is a standby, so that the start of a unit reports what prevents it
//! (decision 0005). The watchdog proves that the threads of the process run, and nothing about its servers: a restart does not
//! help against those. Without `NOTIFY_SOCKET` nothing is sent.
//!
//! Protocol: <https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html>.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tracing::warn;
use walcast_delivery::Status;

/// Notifications in a half of the interval after which the service manager restarts the service, as systemd recommends.
const PARTS: u32 = 2;

/// Shortest interval between notifications; no service manager asks for more of them.
const SHORTEST: Duration = Duration::from_millis(100);

/// Interval at which a service manager without a watchdog is notified of nothing.
const WITHOUT_WATCHDOG: Duration = Duration::from_secs(3600);

/// Notifies the service manager until dropped. The receiver was made before the connector ran, so that it misses no status.
pub(crate) async fn follow(mut statuses: watch::Receiver<Status>) {
    let watchdog = sd_notify::watchdog_enabled().map(|limit| (limit / PARTS).max(SHORTEST));
    let mut alive = tokio::time::interval(watchdog.unwrap_or(WITHOUT_WATCHDOG));
    alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_ready = false;
    loop {
        // Both futures are cancel-safe. The first tick is immediate.
        let sent = tokio::select! {
            _ = alive.tick() => match watchdog {
                Some(_) => sd_notify::notify(&[NotifyState::Watchdog]),
                None => Ok(()),
            },
            changed = statuses.changed() => {
                if changed.is_err() {
                    // The connector has ended.
                    return;
                }
                let status = statuses.borrow_and_update().clone();
                let word = NotifyState::Status(status.word());
                is_ready |= matches!(status, Status::Streaming | Status::Standby);
                match is_ready {
                    true => sd_notify::notify(&[NotifyState::Ready, word]),
                    false => sd_notify::notify(&[word]),
                }
            }
        };
        if let Err(error) = sent {
            warn!(
                %error,
                "the service manager cannot be notified; with a watchdog it will restart this service"
            );
            return;
        }
    }
}
