//! Bookmarks keep positions of the stream: over restarts, within their budget, and beside the live stream, which they never disturb.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeSet;

use serde_json::Value;
use walcast_testbed::{Postgres, PostgresOptions, StopMode, send_record};
use walcast_tests::{Alert, Case, Finished, Instance, assert_reports, await_that, checkpoints, lsn, shared};

/// Exit code of what is refused.
const REFUSED: i32 = 1;

/// Slots that hold bookmarks, of this database.
const SLOTS: &str = "SELECT count(*) FROM pg_replication_slots \
                     WHERE starts_with(slot_name::text, 'walcast_bm_') AND database = current_database()";

async fn bookmark(case: &Case<'_>, action: &str, name: &str) -> Finished {
    case.command(&["bookmark", action, name]).await
}

/// Creates a bookmark; what the command reports.
async fn create(case: &Case<'_>, name: &str) -> Value {
    let created = case.command(&["bookmark", "create", name, "--json"]).await;
    assert_eq!(created.code, Some(0), "{created:#?}");
    serde_json::from_str(&created.stdout).unwrap()
}

async fn list(case: &Case<'_>) -> Vec<Value> {
    let listed = case.command(&["bookmark", "list", "--json"]).await;
    assert_eq!(listed.code, Some(0), "{listed:#?}");
    let listing: Value = serde_json::from_str(&listed.stdout).unwrap();
    listing.as_array().unwrap().clone()
}

fn names(listing: &[Value]) -> BTreeSet<String> {
    let names = listing.iter();
    names
        .map(|one| one["name"].as_str().unwrap().to_owned())
        .collect()
}

async fn drop_all(case: &Case<'_>) {
    for name in names(&list(case).await) {
        let dropped = bookmark(case, "drop", &name).await;
        assert_eq!(dropped.code, Some(0), "{dropped:#?}");
    }
    assert_eq!(case.text(SLOTS).await, "0");
}

/// Number of inserted rows that the slot of a bookmark still has.
async fn inserts_in(case: &Case<'_>, slot: &str) -> u64 {
    let peeked = format!(
        "SELECT count(*) FROM pg_logical_slot_peek_binary_changes('{slot}', NULL, NULL, 'proto_version', '1', \
         'publication_names', '{}') WHERE get_byte(data, 0) = ascii('I')",
        case.slot()
    );
    case.text(&peeked).await.parse().unwrap()
}

/// A bookmark survives restarts of the connector and of the server, and keeps every change after its position.
async fn keeps_its_position_on(major: u16, settings: &[(&str, &str)]) -> Vec<Value> {
    let options = settings
        .iter()
        .fold(PostgresOptions::major(major), |options, (name, value)| {
            options.with_setting(name, value)
        });
    let mut postgres = Postgres::start(options).await.unwrap();
    let name = format!("bookmarks_{major}");
    let case = Case::on(&postgres, &name).await;
    let config = case.config.clone();
    case.deliver([1]).await;
    let created = create(&case, "before").await;
    assert_eq!(
        (&created["name"], &created["kind"], &created["lost"]),
        (&"before".into(), &"manual".into(), &false.into()),
        "{created:#}"
    );
    assert_eq!(case.text(SLOTS).await, "1");
    case.deliver([2, 3]).await;
    postgres.restart(StopMode::Fast).await.unwrap();

    let case = Case::existing(&postgres, &name, &config);
    case.deliver([4]).await;
    assert_eq!(case.ids().await, [1, 2, 3, 4]);
    let listing = list(&case).await;
    let [listed] = listing.as_slice() else {
        panic!("{listing:#?}");
    };
    assert_eq!(
        (&listed["name"], &listed["lsn"]),
        (&created["name"], &created["lsn"])
    );
    assert!(listed["retained_bytes"].as_u64().unwrap() > 0, "{listed:#}");
    let position = lsn(listed["lsn"].as_str().unwrap());
    assert!(
        position < lsn(&case.position().await),
        "the live stream has passed it"
    );
    let slot = listed["slot"].as_str().unwrap();
    assert!(inserts_in(&case, slot).await >= 3);
    let checked = case.command(&["check"]).await;
    assert_reports(&checked.stdout, &["bookmark before", "retains"]);

    let dropped = bookmark(&case, "drop", "before").await;
    assert_eq!(dropped.code, Some(0), "{dropped:#?}");
    assert_eq!(case.text(SLOTS).await, "0");
    case.deliver([5]).await;
    assert_eq!(case.ids().await, [1, 2, 3, 4, 5]);
    listing
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bookmark_keeps_its_position_on_12() {
    let listing = keeps_its_position_on(12, &[]).await;
    assert_eq!(listing[0]["limits"][0]["limit"], "wal_budget", "{listing:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bookmark_keeps_its_position_on_14() {
    let listing = keeps_its_position_on(14, &[("max_slot_wal_keep_size", "1GB")]).await;
    assert_eq!(
        listing[0]["limits"][0]["limit"], "max_slot_wal_keep_size",
        "it is smaller than the budget: {listing:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bookmark_keeps_its_position_on_17() {
    keeps_its_position_on(17, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bookmark_keeps_its_position_on_18_until_it_has_been_idle_for_too_long() {
    let listing = keeps_its_position_on(18, &[("idle_replication_slot_timeout", "1h")]).await;
    let nearest = &listing[0]["limits"][0];
    assert_eq!(nearest["limit"], "idle_replication_slot_timeout", "{listing:#?}");
    let left = nearest["time_to_limit_seconds"].as_u64().unwrap();
    assert!((1..=3600).contains(&left), "{listing:#?}");
    assert!(listing[0]["expires"].is_string(), "{listing:#?}");
}

#[tokio::test]
async fn invalid_requests_are_rejected_with_the_reason() {
    let case = Case::new("bookmarks_refused").await;
    let early = bookmark(&case, "create", "early").await;
    assert_reports(early.error(REFUSED), &["does not exist", "start the connector"]);
    case.deliver([1]).await;
    assert_eq!(case.text(SLOTS).await, "0", "none is made unless it is asked for");
    let foreign = "SELECT pg_create_logical_replication_slot('walcast_bm_foreign', 'pgoutput')";
    case.text(foreign).await;
    create(&case, "a").await;

    let long = "n".repeat(31);
    let requests: [(&str, &str, &[&str]); 8] = [
        (
            "create",
            "a",
            &["bookmark a exists already", "walcast bookmark drop a"],
        ),
        ("create", &long, &["must be 1 to 30"]),
        ("create", "Ä b", &["must be 1 to 30 of a-z, 0-9 and _"]),
        ("create", "rolling_1", &["are those of rolling bookmarks"]),
        (
            "drop",
            "b",
            &["there is no bookmark \"b\"; there are a", "walcast bookmark list"],
        ),
        ("drop", "foreign", &["there is no bookmark"]),
        ("drop", "walcast_bm_foreign", &["there is no bookmark"]),
        ("rewind", "b", &["there is no bookmark \"b\""]),
    ];
    for (action, name, reasons) in requests {
        let refused = bookmark(&case, action, name).await;
        assert_reports(refused.error(REFUSED), reasons);
    }
    assert_eq!(names(&list(&case).await), BTreeSet::from(["a".to_owned()]));
    assert_eq!(case.text(SLOTS).await, "2", "nothing was made or dropped");
    case.text("SELECT pg_drop_replication_slot('walcast_bm_foreign')")
        .await;
    drop_all(&case).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_free_slot_a_bookmark_is_refused_and_the_stream_continues() {
    let options = PostgresOptions::major(17).with_setting("max_replication_slots", "3");
    let postgres = Postgres::start(options).await.unwrap();
    let mut case = Case::on(&postgres, "bookmarks_full").await;
    case.config = case
        .config
        .set("bookmarks.every", "1h")
        .set("postgres.slot_check_interval", "200ms");
    let mut instance = Instance::start(&case.config).await;
    await_that(
        "the rolling bookmark, which leaves the last slot free",
        async || list(&case).await.len() == 1,
    )
    .await;
    create(&case, "last").await;
    let refused = bookmark(&case, "create", "one_more").await;
    assert_reports(
        refused.error(REFUSED),
        &["max_replication_slots is reached", "drop a bookmark"],
    );
    let checked = case.command(&["check"]).await;
    assert_reports(&checked.stdout, &["rolling bookmarks need 6 replication slots"]);
    case.insert([1]).await;
    case.await_ids([1]).await;
    assert_eq!(instance.status().await["reconnects"], 0);
    instance.stop().await;
}

/// Ends a WAL segment, and waits until the connector has inspected the bookmarks after it.
async fn write_a_segment(case: &Case<'_>, instance: &Instance) {
    case.text("SELECT txid_current()").await;
    let end = lsn(&case.text("SELECT pg_switch_wal()").await);
    await_that("an inspection of the bookmarks", async || {
        let status = instance.status().await;
        let Some(bookmarks) = status["bookmarks"].as_array() else {
            return false;
        };
        let inspected = |one: &Value| {
            let restart = lsn(one["restart_lsn"].as_str().unwrap());
            restart + one["retained_bytes"].as_u64().unwrap() >= end
        };
        !bookmarks.is_empty() && bookmarks.iter().all(inspected)
    })
    .await;
}

fn retained(status: &Value, name: &str) -> Option<u64> {
    let bookmarks = status["bookmarks"].as_array()?;
    let found = bookmarks.iter().find(|one| one["name"] == name)?;
    found["retained_bytes"].as_u64()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_bookmark_is_dropped_before_the_budget_is_exceeded() {
    const BUDGET: u64 = 128 << 20;
    let postgres = Postgres::start(PostgresOptions::major(17)).await.unwrap();
    let mut case = Case::on(&postgres, "bookmarks_budget").await;
    case.config = case
        .config
        .set("bookmarks.wal_budget", "128MB")
        .set("postgres.slot_check_interval", "200ms")
        .set("postgres.idle_interval", "200ms");
    let mut instance = Instance::start(&case.config).await;
    case.insert([1]).await;
    case.await_ids([1]).await;
    let old = create(&case, "old").await;
    for _ in 0..3 {
        write_a_segment(&case, &instance).await;
    }
    // The younger one is a copy of a slot that needs less: the server notes down what it needs with its own checkpoints.
    let slot = case.slot();
    let old_restart = lsn(old["restart_lsn"].as_str().unwrap());
    let mut id = 1;
    await_that("a slot that needs less WAL", async || {
        id += 1;
        case.insert([id]).await;
        case.sql("CHECKPOINT").await;
        let restart = format!("SELECT restart_lsn FROM pg_replication_slots WHERE slot_name = '{slot}'");
        lsn(&case.text(&restart).await) >= old_restart + (32 << 20)
    })
    .await;
    create(&case, "young").await;

    let mut most = 0;
    for segments in 0.. {
        assert!(segments < 32, "it is never dropped\n{}", instance.log_end());
        write_a_segment(&case, &instance).await;
        let status = instance.status().await;
        match retained(&status, "old") {
            Some(bytes) => most = bytes.max(most),
            None => break,
        }
    }
    assert!(most > 0 && most <= BUDGET, "{most} of {BUDGET}");
    assert_eq!(names(&list(&case).await), BTreeSet::from(["young".to_owned()]));
    assert_eq!(case.text(SLOTS).await, "1");
    assert_reports(&instance.log(), &["the bookmark was dropped"]);
    let metrics = instance.page("metrics").await;
    assert_reports(
        &metrics,
        &[
            "walcast_bookmarks_dropped_total{connector=\"bookmarks_budget\"} 1",
            "walcast_bookmark_retained_bytes{connector=\"bookmarks_budget\",bookmark=\"young\"}",
        ],
    );
    assert!(Alert::of("WalcastBookmarkDropped").is_true(&metrics), "{metrics}");

    case.insert([1000]).await;
    case.await_ids([1000]).await;
    let status = instance.status().await;
    assert_eq!(
        (&status["state"], &status["reconnects"]),
        (&"streaming".into(), &0.into())
    );
    instance.stop().await;
}

#[tokio::test]
async fn rolling_bookmarks_are_made_and_replaced_over_restarts() {
    let mut case = Case::new("bookmarks_rolling").await;
    case.config = case
        .config
        .set("bookmarks.every", "1s")
        .set("bookmarks.keep", 2)
        .set("postgres.slot_check_interval", "200ms");
    let mut instance = Instance::start(&case.config).await;
    create(&case, "mine").await;
    await_that("two rolling bookmarks", async || list(&case).await.len() >= 3).await;
    instance.stop().await;
    let kept = names(&list(&case).await);
    // The new one may be there before the oldest is dropped.
    assert!((3..=4).contains(&kept.len()), "{kept:?}");

    let mut instance = Instance::start(&case.config).await;
    await_that("other rolling bookmarks", async || {
        let now = names(&list(&case).await);
        assert!(now.len() <= 4 && now.contains("mine"), "{now:?}");
        now.len() >= 3 && now.intersection(&kept).count() == 1
    })
    .await;
    assert_reports(
        &instance.log(),
        &["a rolling bookmark was made", "was replaced by newer ones"],
    );
    case.insert([1]).await;
    case.await_ids([1]).await;
    instance.stop().await;
    drop_all(&case).await;
}

/// A command that is killed between the two slots leaves none, and the checkpoint says so: the instance that starts then must not take the
/// slot for lost, and read all rows again.
#[tokio::test]
async fn a_rewind_that_was_interrupted_reads_no_rows_again() {
    let mut case = Case::new("bookmarks_interrupted").await;
    case.config = case.config.set("snapshot.mode", "when_needed");
    case.deliver([1]).await;
    create(&case, "before").await;
    case.deliver([2]).await;
    let world = shared().await;
    let topic = format!("{}.walcast-checkpoints", case.name());
    let written = checkpoints(world.kafka(), &topic, case.name()).await;
    let mut replacing = written.last().unwrap().value.clone();
    replacing["state"] = "replacing_slot".into();
    let value = replacing.to_string();
    send_record(&world.kafka().brokers(), &topic, case.name(), &value)
        .await
        .unwrap();

    // The slot is not dropped yet: the connector continues.
    case.deliver([3]).await;
    assert_eq!(case.ids().await, [1, 2, 3]);
    let written = checkpoints(world.kafka(), &topic, case.name()).await;
    assert_eq!(written.last().unwrap().value["state"], "streaming");
    let mut replacing = written.last().unwrap().value.clone();
    replacing["state"] = "replacing_slot".into();
    let value = replacing.to_string();
    send_record(&world.kafka().brokers(), &topic, case.name(), &value)
        .await
        .unwrap();
    case.drop_slot().await;
    let why = case.halts().await;
    assert_reports(
        &why,
        &[
            "a rewind to a bookmark was interrupted",
            "walcast bookmark rewind",
        ],
    );

    let rewound = bookmark(&case, "rewind", "before").await;
    assert_eq!(rewound.code, Some(0), "{rewound:#?}");
    case.deliver([4]).await;
    assert_eq!(case.ids().await, [1, 2, 3, 2, 3, 4]);
    drop_all(&case).await;
}

#[tokio::test]
async fn changes_after_a_bookmark_are_delivered_again() {
    let case = Case::new("bookmarks_rewound").await;
    case.deliver([1]).await;
    let created = create(&case, "before").await;
    let position = case.position().await;
    case.deliver([2]).await;
    let mut instance = Instance::start(&case.config).await;
    case.insert([3]).await;
    case.await_ids([3]).await;
    let refused = bookmark(&case, "rewind", "before").await;
    assert_reports(refused.error(REFUSED), &["is running", "stop it first"]);
    instance.stop().await;
    let before = case.items().await;

    let rewound = bookmark(&case, "rewind", "before").await;
    assert_eq!(rewound.code, Some(0), "{rewound:#?}");
    assert_eq!(case.position().await, position);
    case.deliver([4]).await;
    assert_eq!(case.ids().await, [1, 2, 3, 2, 3, 4]);
    let after = case.items().await;
    for (again, original) in after[3..5].iter().zip(&before[1..3]) {
        assert_eq!(again.change_id(), original.change_id());
        assert_eq!((&again.key, &again.headers), (&original.key, &original.headers));
    }
    // The bookmark stays, and the connector can be moved there once more, also after a command that has ended with the copy of the
    // bookmark, or with the dropped slot.
    let (slot, held) = (case.slot(), created["slot"].as_str().unwrap());
    let property = format!("SELECT failover FROM pg_replication_slots WHERE slot_name = '{slot}'");
    assert!(case.holds(&property).await);
    let is_free = format!("SELECT NOT active FROM pg_replication_slots WHERE slot_name = '{slot}'");
    await_that("the end of the walsender", async || case.holds(&is_free).await).await;
    let drop_slot = format!("SELECT pg_drop_replication_slot('{slot}')");
    let copy = format!("SELECT slot_name FROM pg_copy_logical_replication_slot('{held}', '{slot}', false)");
    for steps in [vec![&drop_slot, &copy], vec![&drop_slot]] {
        for step in steps {
            case.text(step).await;
        }
        let rewound = bookmark(&case, "rewind", "before").await;
        assert_eq!(rewound.code, Some(0), "{rewound:#?}");
        assert_eq!(case.position().await, position);
        assert!(case.holds(&property).await);
    }
    case.deliver([5]).await;
    assert_eq!(case.ids().await, [1, 2, 3, 2, 3, 4, 2, 3, 4, 5]);
    drop_all(&case).await;
}
