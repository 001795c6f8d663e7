//! The connector under a supervisor: notifications to the service manager, and a configuration that changes while it runs.

use std::fs::File;
use std::process::Stdio;

use tokio::net::UnixDatagram;
use walcast_tests::{Case, LIMIT, await_that, command};

/// Waits for a notification with this line.
async fn await_notification(socket: &UnixDatagram, line: &str) {
    let received = tokio::time::timeout(LIMIT, async {
        let mut buffer = [0; 4096];
        loop {
            let length = socket.recv(&mut buffer).await.unwrap();
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if text.lines().any(|found| found == line) {
                return;
            }
        }
    });
    received
        .await
        .unwrap_or_else(|_| panic!("the service manager did not receive {line}"));
}

#[tokio::test]
async fn the_service_manager_is_notified_and_a_changed_file_is_noticed() {
    let case = Case::new("supervised").await;
    let folder = tempfile::tempdir().unwrap();
    let path = case.config.write_to(folder.path()).unwrap();
    let notifications = folder.path().join("notify");
    let socket = UnixDatagram::bind(&notifications).unwrap();
    let log = folder.path().join("log");
    let mut process = command(&["run"])
        .env("WALCAST_CONFIG", &path)
        .env("XDG_RUNTIME_DIR", case.config.runtime_directory())
        .env("NOTIFY_SOCKET", &notifications)
        .env("WATCHDOG_USEC", "1000000")
        .stdout(Stdio::null())
        .stderr(File::create(&log).unwrap())
        .spawn()
        .unwrap();
    await_notification(&socket, "READY=1").await;
    await_notification(&socket, "WATCHDOG=1").await;
    // A service manager that is gone must not stop the connector.
    drop(socket);

    let logged = async |text: &str| {
        await_that(text, async || {
            std::fs::read_to_string(&log).unwrap().contains(text)
        })
        .await;
    };
    let id = process.id().unwrap().to_string();
    let signal = |name: &str| std::process::Command::new("kill").args([name, &id]).status();
    // A changed file is noticed without a signal: the level is applied, the rest waits for a restart.
    let changed = case
        .config
        .clone()
        .set("log.level", "debug")
        .set("retry.backoff_max", "7s");
    changed.write_to(folder.path()).unwrap();
    logged("log.level unset -> ").await;
    logged("retry.backoff_max unset -> ").await;
    // A file that cannot be used changes nothing.
    std::fs::write(&path, "nam = \"x\"\n").unwrap();
    assert!(signal("-HUP").unwrap().success());
    logged("the configuration cannot be used; the running one stays in effect").await;
    assert!(process.try_wait().unwrap().is_none());
    case.insert([1]).await;
    case.await_ids([1]).await;
    assert!(signal("-TERM").unwrap().success());
    let ended = tokio::time::timeout(LIMIT, process.wait()).await.unwrap();
    assert!(ended.unwrap().success());
}
