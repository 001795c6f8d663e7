//! `walcast verify --every`: comparisons one after the other, with metrics.

use std::fs::File;
use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Child;
use walcast_testbed::{RawRecord, read_topic};
use walcast_tests::{Alert, Case, Instance, LIMIT, await_that, command, http, shared};

use super::{case, foreign, plant, records_of, replaced};

/// A running `walcast verify --every`.
pub(super) struct Job {
    child: Child,
    folder: TempDir,
}

impl Job {
    pub(super) fn start(case: &Case<'_>, further: &[&str]) -> Job {
        let folder = tempfile::tempdir().unwrap();
        let path = case.config.write_to(folder.path()).unwrap();
        let file = |name: &str| File::create(folder.path().join(name)).unwrap();
        let arguments = ["verify", "--every", "1s", "--json"];
        let arguments: Vec<&str> = arguments.iter().chain(further).copied().collect();
        let child = command(&arguments)
            .env("WALCAST_CONFIG", path)
            .env("XDG_RUNTIME_DIR", case.config.runtime_directory())
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .spawn()
            .unwrap();
        Job { child, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Number of the process.
    pub(super) fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    pub(super) fn assert_running(&mut self) {
        let ended = self.child.try_wait().unwrap();
        assert!(ended.is_none(), "{ended:?}\n{}", self.printed("stderr"));
    }

    pub(super) fn printed(&self, name: &str) -> String {
        String::from_utf8_lossy(&std::fs::read(self.path(name)).unwrap()).into_owned()
    }

    /// Address of its metrics, from its log.
    async fn address(&mut self) -> String {
        let mut found = None;
        await_that("the address of the metrics", async || {
            self.assert_running();
            let log = self.printed("stderr");
            let line = log
                .lines()
                .find(|line| line.contains("serving /metrics and /healthz"));
            let port = line.and_then(|line| line.split("127.0.0.1:").nth(1));
            let digits = |rest: &str| -> String { rest.chars().take_while(char::is_ascii_digit).collect() };
            found = port.map(|rest| format!("127.0.0.1:{}", digits(rest)));
            found.is_some()
        })
        .await;
        found.unwrap()
    }

    /// SIGTERM, after which it ends with success.
    pub(super) async fn stop(&mut self) {
        let pid = self.id().to_string();
        let signalled = tokio::process::Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .await;
        assert!(signalled.unwrap().success());
        let ended = tokio::time::timeout(LIMIT, self.child.wait()).await;
        let log = self.printed("stderr");
        assert_eq!(ended.expect("it ends").unwrap().code(), Some(0), "{log}");
    }
}

/// A figure of the metrics whose labels contain this part; `None` if there is none.
async fn figure(address: &str, name: &str, labels: &str) -> Option<f64> {
    let page = http("GET", &format!("http://{address}/metrics"), "").await;
    assert_eq!(page.status, 200, "{page:?}");
    let mut lines = page.body.lines();
    let line = lines.find(|line| line.split(['{', ' ']).next() == Some(name) && line.contains(labels));
    line.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

#[tokio::test]
async fn each_comparison_has_a_certificate_and_metrics_that_show_drift() {
    let case = case("repeated").await;
    let mut instance = Instance::start(&case.config).await;
    case.insert(1..=20).await;
    case.await_ids(1..=20).await;
    let mut job = Job::start(&case, &["--metrics-listen", "127.0.0.1:0"]);
    let address = job.address().await;
    let identical = r#"outcome="identical""#;
    await_that("two comparisons", async || {
        figure(&address, "walcast_verify_runs_total", identical).await >= Some(2.0)
    })
    .await;
    let different = r#"table="public.items",kind="different""#;
    let first = figure(&address, "walcast_verified_lsn", r#"connector="repeated""#).await;
    assert!(first > Some(0.0), "{first:?}");
    assert!(figure(&address, "walcast_verified_timestamp_seconds", "").await > Some(1_600_000_000.0));
    assert_eq!(
        figure(&address, "walcast_verify_differences", different).await,
        Some(0.0)
    );
    let brokers = shared().await.kafka().brokers();
    await_that("two certificates", async || {
        let certificates = read_topic(&brokers, "repeated.walcast-verifications").await;
        certificates.unwrap().len() >= 2
    })
    .await;

    let original = records_of(&case, "5").await.remove(0);
    let value = replaced(original.value.as_deref().unwrap(), b"note 5", b"nota 5");
    plant(&RawRecord {
        value: Some(value),
        ..foreign(&original)
    })
    .await;
    await_that("the planted difference in the metrics", async || {
        figure(&address, "walcast_verify_differences", different).await == Some(1.0)
    })
    .await;
    let page = http("GET", &format!("http://{address}/metrics"), "").await;
    assert!(Alert::of("WalcastDrift").is_true(&page.body), "{page:?}");
    case.sql("UPDATE items SET note = note WHERE id = 5").await;
    await_that("its end", async || {
        figure(&address, "walcast_verify_differences", different).await == Some(0.0)
    })
    .await;
    assert!(figure(&address, "walcast_verified_lsn", r#"connector="repeated""#).await > first);
    let other = http("GET", &format!("http://{address}/snapshot"), "").await;
    assert_eq!(other.status, 404, "{other:?}");
    job.stop().await;

    // One line for each comparison, in the order of the certificates.
    let printed = job.printed("stdout");
    let reports: Vec<Value> = printed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(reports.len() >= 4, "{}", reports.len());
    for pair in reports.windows(2) {
        assert_eq!(pair[1]["certificate"]["previous"], pair[0]["certificate_sha256"]);
    }
    instance.stop().await;
}

#[tokio::test]
async fn a_comparison_that_fails_does_not_end_the_next_ones() {
    let case = case("unreachable_once").await;
    case.deliver([1]).await;
    // Without a connector the checkpoint does not advance.
    case.insert([2]).await;
    let mut job = Job::start(&case, &["--metrics-listen", "127.0.0.1:0", "--wait", "2s"]);
    let address = job.address().await;
    await_that("a comparison that did not take place", async || {
        figure(&address, "walcast_verify_runs_total", r#"outcome="behind""#).await >= Some(1.0)
    })
    .await;
    assert_eq!(
        figure(&address, "walcast_verify_differences", "").await,
        None,
        "nothing was compared"
    );
    let mut instance = Instance::start(&case.config).await;
    case.await_ids([2]).await;
    await_that("a comparison that did", async || {
        figure(&address, "walcast_verify_runs_total", r#"outcome="identical""#).await >= Some(1.0)
    })
    .await;
    job.stop().await;
    instance.stop().await;
    for wrong in [
        &["--every", "1s", "--repair"][..],
        &["--every", "10ms"],
        &["--dry-run"],
    ] {
        let arguments: Vec<&str> = ["verify"].iter().chain(wrong).copied().collect();
        let finished = case.command(&arguments).await;
        assert_eq!(finished.code, Some(2), "{finished:#?}");
    }
}
