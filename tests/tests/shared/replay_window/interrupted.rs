//! Replays that are killed, interrupted or cancelled.

use std::process::Output;

use tempfile::TempDir;
use tokio::process::Child;
use walcast_tests::{Case, Finished, Instance, LIMIT, assert_reports, await_that, command};

use super::{PARTITIONS, assert_copies, case, shown, side_topic, start, within};

/// So many rows that a replay of them takes several transactions.
pub(super) const ROWS: u32 = 40_000;

/// How long the producer of a slow replay holds back each request, so that its transactions follow each other slowly.
const SLOWLY_MS: &str = "1000";

/// A replay that runs slowly.
pub(super) struct SlowReplay {
    process: Child,
    /// Holds the configuration.
    _folder: TempDir,
}

impl SlowReplay {
    /// Starts a replay of everything, and waits until the side topic holds more records than now.
    async fn start(case: &Case<'_>, name: &str) -> SlowReplay {
        Self::start_with(case, &["--from", "0/1", "--into", name]).await
    }

    /// Starts a replay with these arguments, of which the name is the last, and waits until the side topic holds more records than now.
    pub(super) async fn start_with(case: &Case<'_>, arguments: &[&str]) -> SlowReplay {
        let name = arguments.last().copied().unwrap();
        let already = side_topic(case, name).await.len();
        let folder = tempfile::tempdir().unwrap();
        let config = case.config.clone().set_kafka_property("linger.ms", SLOWLY_MS);
        let path = config.write_to(folder.path()).unwrap();
        let process = command(&[&["replay", "start"][..], arguments].concat())
            .env("WALCAST_CONFIG", path)
            .spawn()
            .unwrap();
        let slow = SlowReplay {
            process,
            _folder: folder,
        };
        await_that("records of the replay", async || {
            side_topic(case, name).await.len() > already
        })
        .await;
        slow
    }

    pub(super) async fn signal(&self, signal: &str) {
        let process = self.process.id().unwrap().to_string();
        let sent = tokio::process::Command::new("kill")
            .args([signal, process.as_str()])
            .status()
            .await;
        assert!(sent.unwrap().success());
    }

    pub(super) async fn end(self) -> Finished {
        let ended = tokio::time::timeout(LIMIT, self.process.wait_with_output());
        let output: Output = ended.await.expect("the replay ends").unwrap();
        output.into()
    }
}

async fn with_rows(name: &str) -> Case<'static> {
    let case = case(name, PARTITIONS).await;
    fill(&case).await;
    case
}

/// Inserts so many rows in transactions of a thousand each, and delivers them.
pub(super) async fn fill(case: &Case<'_>) {
    let already = case.items().await.len();
    case.sql(&format!(
        "CREATE PROCEDURE fill() LANGUAGE plpgsql AS $$ BEGIN \
         FOR n IN 0..39 LOOP \
         INSERT INTO items SELECT id, 'note ' || id FROM generate_series(n * {part} + 1, (n + 1) * {part}) id; COMMIT; \
         END LOOP; END $$",
        part = ROWS / 40
    ))
    .await;
    let mut instance = Instance::start(&case.config).await;
    case.sql("CALL fill()").await;
    await_that("all rows in Kafka", async || {
        case.items().await.len() >= already + usize::try_from(ROWS).unwrap()
    })
    .await;
    instance.stop().await;
}

/// Number of records that an unfinished replay has sent.
pub(super) async fn sent_so_far(case: &Case<'_>, name: &str) -> u64 {
    let status = shown(case, &["replay", "status", name]).await;
    assert_eq!(status["state"], "unfinished", "{status:#}");
    let records = status["records"].as_u64().unwrap();
    assert!(records > 0 && records < u64::from(ROWS), "{status:#}");
    records
}

#[tokio::test]
async fn a_replay_that_is_killed_and_interrupted_sends_each_record_once_and_in_order() {
    let case = with_rows("replay_killed").await;
    let killed = SlowReplay::start(&case, "killed").await;
    killed.signal("-KILL").await;
    assert_eq!(killed.end().await.code, None);
    let first = sent_so_far(&case, "killed").await;

    let interrupted = SlowReplay::start(&case, "killed").await;
    interrupted.signal("-INT").await;
    let ended = interrupted.end().await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_reports(&ended.stdout, &["killed: unfinished"]);
    let second = sent_so_far(&case, "killed").await;
    assert!(second > first, "{second} after {first}");

    let arguments = ["--from", "0/1", "--into", "killed"];
    let report = start(&case, &arguments).await;
    assert_eq!(report["state"], "complete", "{report:#}");
    assert_eq!(report["records"], ROWS, "{report:#}");
    let all = case.items().await;
    let window = within(&all, "0/1", "FFFFFFFF/FFFFFFFF");
    assert_copies(&window, &side_topic(&case, "killed").await, "killed");

    // The command is repeated without effect.
    assert_eq!(start(&case, &arguments).await["state"], "complete");
    assert_eq!(side_topic(&case, "killed").await.len(), all.len());
}

#[tokio::test]
async fn a_replay_that_is_cancelled_ends_and_is_not_resumed() {
    let case = with_rows("replay_cancelled").await;
    let running = SlowReplay::start(&case, "stopped").await;
    let report = shown(&case, &["replay", "cancel", "stopped"]).await;
    assert_eq!(report["state"], "cancelled", "{report:#}");
    let ended = running.end().await;
    // It may have ended before the state was stored.
    let error = ended.error(1);
    let causes = [
        "the replay stopped was cancelled after ",
        "started again or cancelled elsewhere",
    ];
    assert!(causes.iter().any(|cause| error.contains(cause)), "{error}");

    // What was sent is what the report says.
    let sent = report["records"].as_u64().unwrap();
    assert!(sent > 0 && sent < u64::from(ROWS), "{report:#}");
    assert_eq!(side_topic(&case, "stopped").await.len() as u64, sent);
    let again = case
        .command(&["replay", "start", "--from", "0/1", "--into", "stopped"])
        .await;
    assert_reports(
        again.error(1),
        &["the replay stopped was cancelled and is not resumed", "--into"],
    );
    let listing = shown(&case, &["replay", "list"]).await;
    assert_eq!(listing["replays"][0]["name"], "stopped", "{listing:#}");
    assert_eq!(listing["replays"][0]["state"], "cancelled", "{listing:#}");
}
