//! Positions that cannot be reached, and requests that are wrong: nothing is sent.

use walcast_testbed::{delete_topic, remove_records, topic_names};
use walcast_tests::{Case, Finished, Instance, assert_reports, await_that, lsn, shared};

use super::{assert_copies, case, position_of, printed, shown, side_topic, start, within};

/// Exit codes, as documented.
const REFUSED: i32 = 1;
const USAGE: i32 = 2;

/// Name of every side topic that these tests must not make.
const NEVER: &str = "never";

async fn attempt(case: &Case<'_>, arguments: &[&str]) -> Finished {
    let all = [&["replay", "start", "--into", NEVER][..], arguments].concat();
    case.command(&all).await
}

/// Panics if a replay has created a topic.
async fn assert_nothing_made(case: &Case<'_>) {
    let topics = topic_names(&shared().await.kafka().brokers()).await.unwrap();
    let replays = format!("{}.walcast-replays", case.name());
    let made = topics
        .iter()
        .find(|topic| **topic == replays || topic.starts_with(&format!("{NEVER}.{}.", case.name())));
    assert_eq!(made, None);
}

#[tokio::test]
async fn a_position_that_retention_has_removed_is_refused_with_the_nearest() {
    let case = case("replay_expired", 1).await;
    case.deliver(1..=20).await;
    let all = case.items().await;
    let from = position_of(&case, 5).await;
    let first_left = position_of(&case, 10).await;
    let topic = "replay_expired.public.items";
    let brokers = shared().await.kafka().brokers();
    remove_records(&brokers, topic, 0, all[9].offset).await.unwrap();

    let nearest = printed(lsn(&first_left) + 1);
    let refused = attempt(&case, &["--from", &from]).await;
    assert_reports(
        refused.error(REFUSED),
        &[
            "nothing was sent: retention has removed records of replay_expired.public.items",
            &format!("the nearest position from which it is complete is {nearest};"),
            "--accept-gap",
        ],
    );
    assert_nothing_made(&case).await;
    let dry = start(&case, &["--from", &from, "--into", NEVER, "--dry-run"]).await;
    assert_eq!(dry["gaps"][0]["reason"], "expired", "{dry:#}");
    assert_eq!(dry["gaps"][0]["nearest"], nearest, "{dry:#}");
    assert_nothing_made(&case).await;

    let end = case.position().await;
    start(&case, &["--from", &nearest, "--into", "nearest"]).await;
    let expected = within(&all, &nearest, &end);
    assert_eq!(expected.len(), 10);
    assert_copies(&expected, &side_topic(&case, "nearest").await, "nearest");
    start(&case, &["--from", &from, "--into", "rest", "--accept-gap"]).await;
    let expected = within(&all, &first_left, &end);
    assert_copies(&expected, &side_topic(&case, "rest").await, "rest");
}

/// Its offsets begin at 0, as if nothing was missing.
#[tokio::test]
async fn a_topic_that_was_created_again_is_refused_with_the_nearest_position() {
    let mut case = case("replay_created_again", 1).await;
    // The position of a snapshot is no evidence of a row.
    case.config = case.config.set("snapshot.mode", "never");
    case.sql("CREATE TABLE other (id int PRIMARY KEY)").await;
    let mut instance = Instance::start(&case.config).await;
    case.sql("BEGIN; INSERT INTO other VALUES (1); INSERT INTO items VALUES (1, 'lost'); COMMIT")
        .await;
    case.await_ids([1]).await;
    instance.stop().await;
    let from = position_of(&case, 1).await;
    let (brokers, topic) = (
        shared().await.kafka().brokers(),
        "replay_created_again.public.items",
    );
    delete_topic(&brokers, topic).await.unwrap();
    await_that("the end of the topic", async || {
        let topics = topic_names(&brokers).await.unwrap();
        topics.iter().all(|name| name != topic)
    })
    .await;
    case.deliver(2..=4).await;

    let nearest = printed(lsn(&position_of(&case, 2).await) + 1);
    let refused = attempt(&case, &["--from", &from, "--source", "topics"]).await;
    assert_reports(
        refused.error(REFUSED),
        &[
            &format!("nothing was sent: {topic} lacks records that were delivered before its first one"),
            &format!("the nearest position from which it is complete is {nearest};"),
            "--accept-gap",
        ],
    );
    let dry = [
        "--from",
        &from,
        "--into",
        NEVER,
        "--source",
        "topics",
        "--dry-run",
    ];
    let dry = start(&case, &dry).await;
    assert_eq!(dry["gaps"][0]["reason"], "created_again", "{dry:#}");
    assert_nothing_made(&case).await;
}

#[tokio::test]
async fn positions_that_are_not_delivered_and_wrong_requests_are_refused() {
    let case = case("replay_refused", 1).await;
    case.deliver(1..=3).await;
    let end = case.position().await;
    for (arguments, code, wanted) in [
        (
            &["--from", "0/1", "--to", "FFFFFFFF/0"][..],
            REFUSED,
            "the end of the window is not delivered yet; the nearest position is ",
        ),
        (
            &["--from", "FFFFFFFF/0"],
            REFUSED,
            "--from FFFFFFFF/0 is behind what replay_refused has delivered; the nearest position is ",
        ),
        (
            &["--from", "0/2", "--to", "0/1"],
            USAGE,
            "--from 0/2 is behind --to 0/1",
        ),
        (
            &["--from", "0/1", "--to", "2999-01-01"],
            USAGE,
            "--to 2999-01-01T00:00:00Z is in the future",
        ),
        (
            &["--from", "0/1", "--tables", "public.nothing"],
            USAGE,
            "no delivered table matches public.nothing",
        ),
    ] {
        let refused = attempt(&case, arguments).await;
        assert_reports(refused.error(code), &[wanted]);
    }
    // Transactions that committed at the same time or before may follow, since none that committed later is delivered.
    let history = shown(&case, &["history", "public.items", "3"]).await;
    let last = history["changes"][0]["committed_at"].as_str().unwrap();
    let refused = attempt(&case, &["--from", "0/1", "--to", last]).await;
    assert_reports(
        refused.error(REFUSED),
        &["the end of the window is not delivered yet; the nearest position is "],
    );
    assert_nothing_made(&case).await;
    let unknown = case.command(&["replay", "cancel", "unknown"]).await;
    assert_reports(unknown.error(REFUSED), &["there is no replay unknown"]);
    let unknown = case.command(&["replay", "status", "unknown"]).await;
    assert_reports(unknown.error(REFUSED), &["there is no replay unknown"]);

    start(&case, &["--from", "0/1", "--to", &end, "--into", "taken"]).await;
    let other = case
        .command(&["replay", "start", "--from", "0/2", "--into", "taken"])
        .await;
    assert_reports(
        other.error(REFUSED),
        &["the replay taken exists with another request (--from 0/1 --to "],
    );
    let complete = case.command(&["replay", "cancel", "taken"]).await;
    assert_reports(
        complete.error(REFUSED),
        &["the replay taken is complete: 3 records were sent"],
    );
}

#[tokio::test]
async fn a_side_topic_that_has_records_is_refused() {
    let case = case("replay_in_use", 1).await;
    case.deliver(1..=3).await;
    let brokers = shared().await.kafka().brokers();
    let side = "used.replay_in_use.public.items";
    walcast_testbed::send_record(&brokers, side, "key", "value")
        .await
        .unwrap();
    let refused = case
        .command(&["replay", "start", "--from", "0/1", "--into", "used"])
        .await;
    assert_reports(
        refused.error(REFUSED),
        &["nothing was sent: the side topic used.replay_in_use.public.items already has records"],
    );
    assert_eq!(side_topic(&case, "used").await.len(), 1);
    assert_nothing_made(&case).await;
}

#[tokio::test]
async fn a_compacted_topic_is_replayed_after_consent_only_and_never_appended_to() {
    let mut case = case("replay_compacted", 1).await;
    case.config = case.config.set("kafka.topics.cleanup_policy", "compact");
    case.deliver(1..=3).await;
    let refused = attempt(&case, &["--from", "0/1"]).await;
    assert_reports(
        refused.error(REFUSED),
        &[
            "nothing was sent: replay_compacted.public.items is compacted",
            "--accept-gap",
        ],
    );
    let refused = case
        .command(&[
            "replay",
            "start",
            "--from",
            "0/1",
            "--same-topics",
            "--accept-gap",
        ])
        .await;
    assert_reports(
        refused.error(REFUSED),
        &["records cannot be appended to replay_compacted.public.items: it is compacted"],
    );
    assert_nothing_made(&case).await;
    assert_eq!(case.items().await.len(), 3);
    start(&case, &["--from", "0/1", "--into", "kept", "--accept-gap"]).await;
    assert_eq!(side_topic(&case, "kept").await.len(), 3);
}
