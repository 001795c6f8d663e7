//! Notifications to the service manager: readiness, state and watchdog of a unit with `Type=notify`.
//!
//! A service is ready when its connector streams or is a standby, so that the start of a unit reports what prevents it
//! (decision 0005). The watchdog proves that the threads of the process run, and nothing about its servers: a restart does not
//! help against those. Without `NOTIFY_SOCKET` nothing is sent.
//!
//! Protocol: <https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html>.

use std::ffi::OsStr;
use std::io;
use std::os::unix::net::UnixDatagram;
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

/// Time after which a service manager that does not read its notifications is not waited for.
const SEND_LIMIT: Duration = Duration::from_secs(1);

/// Notifies the service manager until dropped. The receiver was made before the connector ran, so that it misses no status.
pub(crate) async fn follow(mut statuses: watch::Receiver<Status>) {
    let watchdog = sd_notify::watchdog_enabled().map(|limit| (limit / PARTS).max(SHORTEST));
    let mut alive = tokio::time::interval(watchdog.unwrap_or(WITHOUT_WATCHDOG));
    alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let socket = std::env::var_os("NOTIFY_SOCKET");
    let notify = |states: &[NotifyState<'_>]| match &socket {
        Some(socket) => send(socket, states),
        None => Ok(()),
    };
    let (mut is_ready, mut is_failing) = (false, false);
    loop {
        // Both futures are cancel-safe. The first tick is immediate.
        let sent = tokio::select! {
            _ = alive.tick() => match watchdog {
                // Readiness again, in case that it was lost.
                Some(_) if is_ready => notify(&[NotifyState::Ready, NotifyState::Watchdog]),
                Some(_) => notify(&[NotifyState::Watchdog]),
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
                    true => notify(&[NotifyState::Ready, word]),
                    false => notify(&[word]),
                }
            }
        };
        // The next notification may succeed: a watchdog must not end a service because one was lost.
        if let Err(error) = &sent
            && !is_failing
        {
            warn!(
                %error,
                "the service manager cannot be notified; with a watchdog it will restart this service if that does not change"
            );
        }
        is_failing = sent.is_err();
    }
}

/// Sends states in one datagram.
fn send(socket: &OsStr, states: &[NotifyState<'_>]) -> io::Result<()> {
    let lines: String = states.iter().map(|state| format!("{state}\n")).collect();
    let sender = UnixDatagram::unbound()?;
    sender.set_write_timeout(Some(SEND_LIMIT))?;
    connect(&sender, socket)?;
    sender.send(lines.as_bytes()).map(|_| ())
}

/// Connects to a socket; a name that begins with `@` is in the abstract namespace, which the library does not support.
#[cfg(target_os = "linux")]
fn connect(sender: &UnixDatagram, socket: &OsStr) -> io::Result<()> {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::SocketAddr;

    match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => sender.connect_addr(&SocketAddr::from_abstract_name(name)?),
        None => sender.connect(socket),
    }
}

#[cfg(not(target_os = "linux"))]
fn connect(sender: &UnixDatagram, socket: &OsStr) -> io::Result<()> {
    sender.connect(socket)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;

    use super::*;

    /// What a service manager with this socket receives.
    fn received(manager: &UnixDatagram, socket: &OsStr) -> io::Result<String> {
        send(socket, &[NotifyState::Ready, NotifyState::Status("streaming")])?;
        let mut buffer = [0; 64];
        let length = manager.recv(&mut buffer)?;
        Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }

    #[test]
    fn sockets_with_a_path_and_in_the_abstract_namespace_are_notified() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let lines = "READY=1\nSTATUS=streaming\n";
        assert_eq!(received(&manager, path.as_os_str()).unwrap(), lines);

        // The folder's name is that of no other process.
        let name = format!("{}/notify", folder.path().display());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        assert_eq!(
            received(&manager, OsStr::new(&format!("@{name}"))).unwrap(),
            lines
        );
    }

    #[test]
    fn a_service_manager_that_is_gone_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let gone = folder.path().join("gone");
        assert!(send(gone.as_os_str(), &[NotifyState::Watchdog]).is_err());
    }
}
