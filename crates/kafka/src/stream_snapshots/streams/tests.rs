//! Folds of single streams, without a broker.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use walcast_mapper::config::Encoding;

use super::*;

fn config(fold: StreamFold) -> StreamSnapshotConfig {
    StreamSnapshotConfig {
        topic: "events".to_owned(),
        snapshots: "events.snapshots".to_owned(),
        fold,
        every_events: 10,
        every: Duration::from_secs(1),
        memory: 1 << 20,
        replay_budget: None,
        encoding: Encoding::Json,
    }
}

fn streams(config: &StreamSnapshotConfig) -> Streams<'_> {
    Streams::new(config, Values::new(config.encoding, None))
}

/// Event of the stream `a` with a payload; `None` is a record without a value.
fn event(offset: i64, version: i64, payload: Option<&str>) -> TopicRecord {
    TopicRecord {
        partition: 0,
        offset,
        timestamp: None,
        key: Some(b"a".to_vec()),
        value: payload.map(|payload| serde_json::to_vec(payload).unwrap()),
        headers: vec![
            text(VERSION, version),
            (ID.to_owned(), Some(format!("0/{offset}/1").into_bytes())),
        ],
    }
}

/// Snapshots that are written now: value, and headers by name.
fn written(streams: &mut Streams<'_>, next: i64) -> Vec<TopicRecord> {
    let target: Arc<str> = Arc::from("events.snapshots");
    let changed = streams.take_changed(&BTreeMap::from([(0, next)]), &target);
    changed.into_iter().map(|copy| copy.record).collect()
}

fn described(record: &TopicRecord) -> (Option<String>, String) {
    let value = record
        .value
        .as_deref()
        .map(|value| serde_json::from_slice(value).unwrap());
    let headers = record.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_deref().unwrap_or_default());
        format!(
            "{}={value}",
            name.trim_start_matches("walcast.")
                .trim_start_matches("snapshot.")
        )
    });
    (value, headers.collect::<Vec<_>>().join(" "))
}

#[tokio::test]
async fn snapshot_is_the_fold_of_the_events_up_to_its_version() {
    let config = config(StreamFold::MergePatch);
    let mut folded = streams(&config);
    for (offset, version, payload) in [
        (3, 1, r#"{"total":10.50,"lines":1}"#),
        (4, 2, r#"{"lines":2,"note":"x"}"#),
        // The connector was rewound, and sends an event again.
        (5, 1, r#"{"lines":1}"#),
        (7, 3, r#"{"note":null}"#),
    ] {
        folded.fold(event(offset, version, Some(payload))).await.unwrap();
    }
    let first = written(&mut folded, 8);
    let (value, headers) = described(&first[0]);
    assert_eq!(value.as_deref(), Some(r#"{"total":10.50,"lines":2}"#));
    assert_eq!(
        headers,
        "version=3 first=1 events=3 gaps=0 offset=7 next=8 id=0/7/1"
    );
    assert!(written(&mut folded, 8).is_empty());

    // Another process begins with the snapshots.
    let mut resumed = streams(&config);
    for record in first {
        resumed.load(record).unwrap();
    }
    assert_eq!(resumed.count(), 1);
    resumed.fold(event(7, 3, Some("{}"))).await.unwrap();
    assert!(written(&mut resumed, 8).is_empty());
    resumed.fold(event(9, 5, Some(r#"{"lines":3}"#))).await.unwrap();
    let (value, headers) = described(&written(&mut resumed, 10)[0]);
    assert_eq!(value.as_deref(), Some(r#"{"total":10.50,"lines":3}"#));
    assert_eq!(
        headers,
        "version=5 first=1 events=4 gaps=1 offset=9 next=10 id=0/9/1"
    );
}

#[tokio::test]
async fn last_value_is_copied_whatever_it_is() {
    let config = config(StreamFold::LastValue);
    let mut folded = streams(&config);
    let mut record = event(0, 1, None);
    record.value = Some(vec![0, 1, 2]);
    folded.fold(event(0, 0, Some("{}"))).await.unwrap();
    folded.fold(record).await.unwrap();
    assert_eq!(written(&mut folded, 1)[0].value, Some(vec![0, 1, 2]));
}

#[tokio::test]
async fn record_without_a_value_removes_the_snapshot() {
    let config = config(StreamFold::MergePatch);
    let mut folded = streams(&config);
    folded.fold(event(0, 1, Some(r#"{"name":"Ada"}"#))).await.unwrap();
    let before = written(&mut folded, 1);
    folded.fold(event(1, 2, None)).await.unwrap();
    let removed = written(&mut folded, 2);
    assert_eq!(described(&removed[0]), (None, "next=2".to_owned()));
    assert_eq!((folded.count(), folded.bytes), (0, 0));
    // A second one has no snapshot to remove.
    folded.fold(event(2, 3, None)).await.unwrap();
    assert!(written(&mut folded, 3).is_empty());
    // The stream begins again.
    folded.fold(event(3, 4, Some(r#"{"lines":1}"#))).await.unwrap();
    let (value, headers) = described(&written(&mut folded, 4)[0]);
    assert_eq!(value.as_deref(), Some(r#"{"lines":1}"#));
    assert_eq!(
        headers,
        "version=4 first=4 events=1 gaps=0 offset=3 next=4 id=0/3/1"
    );

    let mut resumed = streams(&config);
    for record in before.into_iter().chain(removed) {
        resumed.load(record).unwrap();
    }
    assert_eq!(resumed.count(), 0);
}

#[tokio::test]
async fn stream_that_begins_again_in_one_run_is_loaded_as_it_was_written() {
    let config = config(StreamFold::LastValue);
    let mut folded = streams(&config);
    folded.fold(event(0, 9, Some("{}"))).await.unwrap();
    let mut records = written(&mut folded, 1);
    folded.fold(event(1, 10, None)).await.unwrap();
    folded.fold(event(2, 1, Some("[]"))).await.unwrap();
    records.extend(written(&mut folded, 3));
    let mut resumed = streams(&config);
    for record in records {
        resumed.load(record).unwrap();
    }
    assert_eq!(resumed.held, folded.held);
}

#[tokio::test]
async fn record_that_cannot_be_folded_is_an_error_with_its_place() {
    let config = config(StreamFold::MergePatch);
    let problem = async |record: TopicRecord| match streams(&config).fold(record).await {
        Err(StreamSnapshotError::Event {
            offset: 6, problem, ..
        }) => problem,
        other => panic!("{other:?}"),
    };
    let mut without_key = event(6, 1, Some("{}"));
    without_key.key = None;
    assert_eq!(problem(without_key).await, FoldProblem::NoKey);
    let mut without_version = event(6, 1, Some("{}"));
    without_version.headers.clear();
    assert_eq!(problem(without_version).await, FoldProblem::NoVersion);
    let mut a_struct = event(6, 1, None);
    a_struct.value = Some(b"{}".to_vec());
    assert_eq!(problem(a_struct).await, FoldProblem::NotText);
    let not_json = problem(event(6, 1, Some("secret"))).await;
    assert_eq!(
        not_json,
        FoldProblem::Patch(merge_patch::MergePatchError::NotJson)
    );
    assert!(!not_json.to_string().contains("secret"));
}

#[tokio::test]
async fn memory_is_bounded() {
    let config = StreamSnapshotConfig {
        memory: 1000,
        ..config(StreamFold::MergePatch)
    };
    let mut folded = streams(&config);
    for version in 1..=100 {
        // A state that is replaced takes no more memory.
        let event = event(version, version, Some(r#"{"a":"xxxxxxxxxxxxxxxx"}"#));
        folded.fold(event).await.unwrap();
    }
    let large = format!(r#"{{"b":"{}"}}"#, "x".repeat(1000));
    let error = folded.fold(event(101, 101, Some(&large))).await.unwrap_err();
    assert!(
        matches!(error, StreamSnapshotError::Memory { limit: 1000, .. }),
        "{error}"
    );
}

#[test]
fn records_that_are_no_snapshots_are_rejected() {
    let config = config(StreamFold::LastValue);
    let error = streams(&config).load(event(0, 1, Some("{}"))).unwrap_err();
    assert!(matches!(error, StreamSnapshotError::Topic { .. }), "{error}");
}
