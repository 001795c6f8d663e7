//! The token that a start stores, and that commands find without being given it.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;
use walcast_testbed::{ConnectorConfig, Walcast, wait_until};
use walcast_tests::{
    Answer, Case, Instance, LIMIT, RUN, assert_reports, await_that, command, http_with, run,
};

const START: &str = r#"{"action":"start","tables":[{"tables":"public.items"}]}"#;

async fn post(config: &ConnectorConfig, token: Option<&str>) -> Answer {
    let url = format!("http://{}/snapshot", config.admin_address());
    let header = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
    http_with("POST", &url, &header.unwrap_or_default(), START).await
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[tokio::test]
async fn a_start_stores_a_token_that_every_post_needs_and_commands_find() {
    let case = Case::new("token_stored").await;
    let file = case.config.admin_token_file();
    let shown_file = file.to_str().unwrap();
    let before = case.command(&["check"]).await;
    assert_reports(
        &before.stdout,
        &["admin token", "the first start stores one, in", shown_file],
    );
    assert!(!file.exists(), "check stores nothing");

    let mut instance = Instance::start(&case.config).await;
    let stored = std::fs::read_to_string(&file).unwrap();
    let token = stored.trim_end();
    assert_eq!(token.len(), 64);
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    let refused = post(&case.config, None).await;
    assert_eq!(refused.status, 401, "{refused:?}");
    assert_eq!(post(&case.config, Some("0")).await.status, 401);
    let taken = post(&case.config, Some(token)).await;
    assert_eq!(taken.status, 200, "{taken:?}");
    await_that("the end of reading", async || {
        instance.status().await["snapshot"]["tables_remaining"] == 0
    })
    .await;
    let found = case
        .command(&["snapshot", "start", "--tables", "public.items"])
        .await;
    assert_eq!(found.code, Some(0), "{found:#?}");

    // Another user, whose variables name other directories.
    let elsewhere = tempfile::tempdir().unwrap();
    let path = case.config.write_to(elsewhere.path()).unwrap();
    let ended = command(&["snapshot", "pause"])
        .env("WALCAST_CONFIG", path)
        .env("HOME", elsewhere.path())
        .output()
        .await
        .unwrap();
    let stderr = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{stderr}");
    let other = elsewhere
        .path()
        .join(".local/state/walcast/token_stored.admin-token");
    assert_reports(
        &stderr,
        &[
            "requires its token",
            other.to_str().unwrap(),
            "set token_file in [admin]",
        ],
    );

    instance.stop().await;
    instance.start_again();
    instance.ready().await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), stored, "it is kept");
    let checked = case.command(&["check", "--json"]).await;
    let findings: Vec<Value> = serde_json::from_str(&checked.stdout).unwrap();
    let finding = findings.iter().find(|finding| finding["name"] == "admin token");
    assert_eq!(finding.unwrap()["detail"], format!("in {shown_file}"));
    instance.stop().await;
    for output in [&instance.log(), &found.stdout, &found.stderr, &checked.stdout] {
        assert!(!output.contains(token), "the token is shown");
    }
}

#[tokio::test]
async fn a_token_file_that_others_can_read_ends_the_start() {
    let case = Case::new("readable").await;
    let file = case.config.admin_token_file();
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::set_permissions(file.parent().unwrap(), Permissions::from_mode(0o700)).unwrap();
    std::fs::write(&file, format!("{}\n", "0".repeat(64))).unwrap();
    std::fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let wanted = [
        file.to_str().unwrap(),
        "can be read or written by others (mode 0644, expected 0600)",
    ];
    let ended = run(&case.config, RUN).await;
    assert_reports(ended.error(2), &wanted);
    let asked = case.command(&["snapshot", "pause"]).await;
    assert_reports(asked.error(2), &wanted);
}

#[tokio::test]
async fn where_no_token_can_be_stored_the_connector_runs_and_refuses_every_post() {
    let case = Case::new("unstored").await;
    let nowhere = [("XDG_RUNTIME_DIR", "/nonexistent"), ("HOME", "/nonexistent")];
    let mut walcast = Walcast::spawn(&case.config, &nowhere).unwrap();
    walcast.wait_ready(LIMIT).await.unwrap();
    let refused = post(&case.config, Some("0")).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    assert_reports(&refused.body, &["set token or token_file in [admin]"]);
    let warned = wait_until("the warning", LIMIT, async || {
        let log = walcast.log();
        Ok(log.matches("no token can be stored").count() == 1)
    });
    warned.await.unwrap();
    assert!(walcast.sigterm(LIMIT).await.unwrap().success());
}
