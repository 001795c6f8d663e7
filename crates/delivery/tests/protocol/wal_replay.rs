//! Replay of a window from WAL: each record once, with the schemas of its first delivery, also after an interruption.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeSet;

use serde_json::json;
use walcast_delivery::{
    BoxedPortError, DeliveryError, Describe, ReplayPlace, ReplayPorts, ReplayTarget, Source, Started,
    WalWindow, WindowEnded, WindowReplay, replay_window,
};
use walcast_mapper::{RecordBuffer, TableName};
use walcast_pgoutput::Lsn;

use crate::fakes::{CONNECTION_LOST, World, delete, insert, message, truncate, update, update_key};

/// End of an envelope: the time of processing in three units, each an index of a union and 6, 8 or 9 bytes.
const PROCESSED_BYTES: usize = 26;

/// Time of processing of a replay, which has as many bytes as that of the connector.
const PROCESSED_AT_UNIX_NANOS: i64 = 1_796_119_200_000_000_001;

/// Record without the time of processing.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sent {
    topic: String,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    id: String,
}

fn unprocessed(value: Option<&[u8]>) -> Option<Vec<u8>> {
    let value = value?;
    Some(value[..value.len() - PROCESSED_BYTES].to_vec())
}

/// Target that fails after some sends, either before or after it has stored the last one.
#[derive(Debug, Default)]
struct Target {
    sent: Vec<Sent>,
    place: Option<ReplayPlace>,
    /// Number of sends until the next failure; `None`: no failure.
    left: Option<usize>,
    loses_answers: bool,
    is_complete: bool,
}

impl Target {
    fn store(&mut self, records: &RecordBuffer, place: ReplayPlace, is_end: bool) {
        assert!(!self.is_complete, "nothing is sent behind the end");
        self.sent.extend(records.records().map(|record| {
            Sent {
                topic: record.topic.to_owned(),
                key: record.key.map(<[u8]>::to_vec),
                value: unprocessed(record.value),
                id: record
                    .headers()
                    .find(|header| header.name == "walcast.id")
                    .and_then(|header| header.value)
                    .map(|id| String::from_utf8_lossy(id).into_owned())
                    .unwrap(),
            }
        }));
        self.place = Some(place);
        self.is_complete = is_end;
    }
}

impl ReplayTarget for Target {
    async fn send(
        &mut self,
        records: &RecordBuffer,
        place: ReplayPlace,
        is_end: bool,
    ) -> Result<(), BoxedPortError> {
        match &mut self.left {
            Some(0) => {
                if self.loses_answers {
                    self.store(records, place, is_end);
                }
                Err(CONNECTION_LOST.into())
            }
            left => {
                if let Some(left) = left {
                    *left -= 1;
                }
                self.store(records, place, is_end);
                Ok(())
            }
        }
    }
}

/// Window of several transactions that were delivered, behind others, and the place at which a slot retains it.
async fn delivered() -> (World, WalWindow, ReplayPlace) {
    delivered_by(World::set_up()).await
}

async fn delivered_by(world: World) -> (World, WalWindow, ReplayPlace) {
    world
        .postgres
        .commit([("accounts", insert(1)), ("orders", insert(1))]);
    world.run(world.all_delivered()).await.unwrap();
    let before = world.kafka.checkpoint().unwrap();
    world.postgres.commit([
        ("accounts", insert(2)),
        ("orders", update(1)),
        ("accounts", message()),
        ("accounts", update_key(2, 3)),
        ("orders", delete(1)),
    ]);
    world.postgres.commit([("accounts", insert(4))]);
    world
        .postgres
        .commit([("accounts", truncate()), ("orders", insert(5))]);
    world.run(world.all_delivered()).await.unwrap();
    let window = WalWindow {
        from: before.end_lsn,
        end: world.kafka.checkpointed(),
    };
    let place = ReplayPlace {
        last_commit: before.last_commit,
        ..ReplayPlace::at(before.end_lsn)
    };
    // The copy of a bookmark.
    world.postgres.edit(|server| {
        let slot = server.slot.as_mut().unwrap();
        slot.confirmed_flush_lsn = Some(before.end_lsn);
    });
    (world, window, place)
}

/// Records of the window as they were delivered.
fn originals(world: &World, window: WalWindow) -> Vec<Sent> {
    let is_within = |id: &str| {
        let (lsn, _) = id.rsplit_once('/').unwrap();
        let lsn: Lsn = lsn.parse().unwrap();
        (window.from..window.end).contains(&lsn)
    };
    world.kafka.read(|broker| {
        let of_rows = broker
            .committed()
            .filter(|record| record.topic.starts_with("shop.public."));
        let records = of_rows.filter(|record| is_within(&record.id));
        let sent = records.map(|record| Sent {
            topic: record.topic.clone(),
            key: record.key.clone(),
            value: unprocessed(record.value.as_deref()),
            id: record.id.clone(),
        });
        sent.collect()
    })
}

async fn replay(
    world: &World,
    window: WalWindow,
    place: ReplayPlace,
    tables: Option<BTreeSet<TableName>>,
    target: &mut Target,
) -> Result<WindowEnded, DeliveryError> {
    let mut connector = world.connector();
    connector.source.acquire_leadership().await.unwrap();
    let Started {
        mut stream, catalog, ..
    } = connector.source.start(place.until).await.unwrap();
    let ports = ReplayPorts {
        catalog,
        topics: connector.topics,
        registry: connector.registry,
    };
    let replay = WindowReplay {
        window,
        place,
        tables,
        mapper: &world.mapper,
        dead_letters: &world.config.dead_letters,
        on_incompatible: world.config.on_incompatible,
        schemas: world.kafka.read(|broker| broker.checkpoint_log()).schemas,
        // Every change is sent alone.
        batch_bytes: 1,
        processed_at_unix_nanos: PROCESSED_AT_UNIX_NANOS,
        describe: Describe::default(),
    };
    Box::pin(replay_window(
        &mut stream,
        ports,
        replay,
        target,
        std::future::pending(),
    ))
    .await
}

fn registered(world: &World) -> usize {
    world.registry.schemas.borrow().registered.len()
}

#[tokio::test(start_paused = true)]
async fn a_window_is_encoded_as_it_was_delivered() {
    let (world, window, place) = delivered().await;
    let (expected, schemas) = (originals(&world, window), registered(&world));
    assert!(expected.len() > 6, "{expected:?}");
    let mut target = Target::default();
    let ended = replay(&world, window, place, None, &mut target).await.unwrap();
    assert_eq!(ended, WindowEnded::Complete);
    assert!(target.is_complete);
    assert_eq!(target.sent, expected);
    assert_eq!(registered(&world), schemas, "no schema was registered");
}

#[tokio::test(start_paused = true)]
async fn each_record_is_sent_once_wherever_a_replay_is_interrupted() {
    let (world, window, place) = delivered().await;
    let expected = originals(&world, window);
    for loses_answers in [false, true] {
        for interrupted_after in 0..3 {
            let mut target = Target {
                loses_answers,
                ..Target::default()
            };
            for attempt in 0.. {
                assert!(attempt < 100, "the replay does not end: {target:?}");
                // A target that loses nothing and stores nothing would never end.
                target.left = (loses_answers || interrupted_after > 0).then_some(interrupted_after);
                let from = target.place.unwrap_or(place);
                if replay(&world, window, from, None, &mut target).await.is_ok() || target.is_complete {
                    break;
                }
            }
            assert_eq!(target.sent, expected, "{loses_answers} {interrupted_after}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn transactions_outside_of_the_window_and_other_tables_are_left_out() {
    let (world, window, place) = delivered().await;
    let all = originals(&world, window);
    let orders = TableName {
        namespace: "public".to_owned(),
        name: "orders".to_owned(),
    };
    let of_orders = |sent: &&Sent| sent.topic.ends_with(".orders");
    let mut target = Target::default();
    let tables = Some(BTreeSet::from([orders]));
    replay(&world, window, place, tables, &mut target).await.unwrap();
    let sent: Vec<&Sent> = target.sent.iter().filter(of_orders).collect();
    assert_eq!(sent, all.iter().filter(of_orders).collect::<Vec<_>>());

    // From the second transaction on.
    let second = all
        .last()
        .map(|sent| sent.id.rsplit_once('/').unwrap().0.to_owned());
    let from: Lsn = second.unwrap().parse().unwrap();
    let narrow = WalWindow { from, ..window };
    let mut target = Target::default();
    replay(&world, narrow, place, None, &mut target).await.unwrap();
    assert_eq!(target.sent, originals(&world, narrow));
    assert!(!target.sent.is_empty() && target.sent.len() < all.len());
}

/// Rows of an outbox are in topics that they name, which no replay has. They count among the events of their transaction, whose numbers the
/// records of other tables contain.
#[tokio::test(start_paused = true)]
async fn events_of_outboxes_are_counted_and_not_sent() {
    let mut world = World::set_up();
    world.mapper.events.transactions = true;
    let rule = json!({
        "tables": "public.accounts",
        "key": "id",
        "payload": "note",
        "route_by": "note",
        "route_pattern": ".*",
        "route_topic": "shop.events",
    });
    world.mapper.outboxes = vec![serde_json::from_value(rule).unwrap()];
    let (world, window, place) = delivered_by(world).await;
    let expected = originals(&world, window);
    assert!(expected.len() > 2, "{expected:?}");
    let are_of_orders = |sent: &[Sent]| sent.iter().all(|sent| sent.topic == "shop.public.orders");
    assert!(are_of_orders(&expected), "{expected:?}");
    let mut target = Target::default();
    replay(&world, window, place, None, &mut target).await.unwrap();
    assert_eq!(target.sent, expected);
}
