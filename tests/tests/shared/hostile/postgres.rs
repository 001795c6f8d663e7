//! A server that is none, or a man in the middle. What is measured here of the process is proved of each kind of connection in
//! `crates/postgres/src/connect/tests.rs`.

use walcast_testbed::{ConnectorConfig, FakePostgres, Manner, ProcessUsage, wait_until};
use walcast_tests::{Finished, LIMIT, RUN, assert_reports, command, run};

/// Exit codes, as documented.
const REFUSED: i32 = 1;
const FAILED: i32 = 5;
const DENIED: i32 = 7;

const PASSWORD: &str = "Xk7-correct-horse";

/// What the system holds in a connection's buffers on both sides beside what the process has taken, at most, in bytes.
const BUFFERED_BYTES_MAX: usize = 24 * 1024 * 1024;

/// How much memory the process may have had when it gives a liar up, in bytes: about three times what it begins with, and less
/// than a liar is ready to send.
const MEMORY_MAX_BYTES: u64 = 48 * 1024 * 1024;

/// A connector whose source is the fake; nothing listens where the broker should be, and there is no registry.
fn config(fake: &FakePostgres, parameters: &str) -> ConnectorConfig {
    let url = format!(
        "postgres://walcast:{PASSWORD}@127.0.0.1:{}/shop?{parameters}",
        fake.port()
    );
    ConnectorConfig::of("127.0.0.1:1", "hostile")
        .unwrap()
        .set("postgres.url", url)
        .set("format.key", "json")
        .set("format.value", "json")
}

/// Runs the connector to its end, which must be by itself: what it said, and whom it met.
async fn run_against(manner: Manner, parameters: &str, code: i32) -> (String, FakePostgres) {
    let fake = FakePostgres::start(manner).await.unwrap();
    let finished = run(&config(&fake, parameters), RUN).await;
    finished.assert_silent_about(&[PASSWORD]);
    (finished.error(code).to_owned(), fake)
}

fn heard(fake: &FakePostgres, wanted: &[u8]) -> bool {
    let met = fake.met();
    assert!(!met.is_empty(), "no connection came");
    met.iter()
        .any(|met| met.heard.windows(wanted.len()).any(|part| part == wanted))
}

#[tokio::test]
async fn a_server_that_is_silent_is_not_waited_for_before_or_after_the_login() {
    for manner in [Manner::Silent, Manner::SilentAfter(0), Manner::SilentAfter(1)] {
        let (error, fake) = run_against(manner, "connect_timeout=2", FAILED).await;
        assert_reports(&error, &["no answer from 127.0.0.1", "within 2 s"]);
        assert_eq!(fake.met().len(), 1, "{manner:?}: connections");
    }
    let fake = FakePostgres::start(Manner::SilentAfter(0)).await.unwrap();
    let checked = run(&config(&fake, "connect_timeout=2"), &["check"]).await;
    checked.error(REFUSED);
    assert_reports(&checked.stdout, &["FAIL  postgres connection", "within 2 s"]);
}

#[tokio::test]
async fn a_password_is_not_given_to_a_server_that_asks_for_it_where_that_is_not_allowed() {
    for (manner, asked) in [(Manner::Cleartext, "password"), (Manner::Md5, "md5")] {
        let (error, fake) = run_against(manner, "require_auth=scram-sha-256", DENIED).await;
        let asks = format!("asks for {asked} authentication, but require_auth=scram-sha-256");
        assert_reports(&error, &[&asks, "require_auth in the connection string"]);
        assert_eq!(fake.met().len(), 1, "{manner:?}: connections");
        let checked = run(&config(&fake, "require_auth=!password,!md5"), &["check"]).await;
        checked.error(REFUSED);
        assert_reports(
            &checked.stdout,
            &["FAIL  postgres connection", "require_auth=!password,!md5"],
        );
        // One for each of the three looks that `check` takes.
        assert!(fake.met().len() <= 4, "{manner:?}: connections");
        assert!(
            !heard(&fake, PASSWORD.as_bytes()),
            "{manner:?}: the password was sent"
        );
        assert!(!heard(&fake, b"md5"), "{manner:?}: its hash was sent");
    }
}

#[tokio::test]
async fn scram_has_an_end_whatever_the_server_wants() {
    let (error, fake) = run_against(Manner::CostlySasl(u32::MAX), "", DENIED).await;
    assert_reports(&error, &["iteration count"]);
    assert!(!heard(&fake, b",p="), "a proof was computed");
    let (_, fake) = run_against(Manner::EndlessSasl, "", FAILED).await;
    assert_eq!(fake.met().len(), 1, "connections");
}

/// Runs the connector to its end, and looks at its memory meanwhile.
async fn measured(fake: &FakePostgres) -> (Finished, u64) {
    let folder = tempfile::tempdir().unwrap();
    let path = config(fake, "").write_to(folder.path()).unwrap();
    let mut process = command(RUN).env("WALCAST_CONFIG", path).spawn().unwrap();
    let id = process.id().unwrap();
    let mut peak = 0;
    wait_until("the end of the connector", LIMIT, async || {
        // One that has ended has none.
        if let Ok(usage) = ProcessUsage::of(id) {
            peak = peak.max(usage.resident_bytes_peak);
        }
        Ok(process.try_wait().unwrap().is_some())
    })
    .await
    .unwrap();
    (process.wait_with_output().await.unwrap().into(), peak)
}

#[tokio::test]
async fn messages_before_a_session_is_ready_cost_bounded_memory_and_time() {
    for (manner, wanted) in [
        (
            Manner::HugeMessage,
            "sent message 'E' of 2147483647 bytes before the login ended",
        ),
        (Manner::EndlessNotices, "sent more than 1000 messages"),
        (Manner::EndlessSettings, "sent more than 1000 messages"),
        (
            Manner::HugeAnswer,
            "sent message 'D' of 2147483647 bytes, where at most 1073741824 are allowed",
        ),
    ] {
        let fake = FakePostgres::start(manner).await.unwrap();
        let (ended, peak) = measured(&fake).await;
        assert_reports(ended.error(DENIED), &[wanted, "is this a Postgres server?"]);
        let met = fake.met();
        assert_eq!(met.len(), 1, "{manner:?}: connections");
        let sent = met[0].sent_bytes;
        assert!(sent <= BUFFERED_BYTES_MAX, "{manner:?}: {sent} bytes were taken");
        assert!(peak <= MEMORY_MAX_BYTES, "{manner:?}: {peak} bytes of memory");
    }
}

#[tokio::test]
async fn a_refusal_with_terminal_escapes_is_a_refusal() {
    let (error, _) = run_against(Manner::Refusal("\x1b]0;PWN\x07\x1b[31mgo away"), "", DENIED).await;
    assert_reports(&error, &["go away", "SQLSTATE 28000"]);
}
