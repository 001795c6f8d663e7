//! A broker whose responses are invalid while the connector runs: at a start, while the checkpoint is read, and within an open Kafka
//! transaction. It costs attempts and bounded memory; afterwards every change is in Kafka once, in order.
//!
//! The broker is a real one behind a proxy that changes responses, so that it has done what it was asked for.

use std::time::Duration;

use walcast_testbed::{
    Api, Audit, ConnectorConfig, FalseBroker, Falsehood, Kafka, KafkaOptions, Load, LoadOptions,
    PostgresOptions, Shop, wait_until,
};
use walcast_tests::{Instance, World, await_writes, lsn, run};

use super::sockets::{MEMORY_MAX_BYTES, assert_harmless};

/// Exit code of a start that fails and is worth another one.
const FAILED: i32 = 5;

/// Longer than a connector needs after an invalid response, silence and its limits included.
const PATIENCE: Duration = Duration::from_secs(300);

/// Limit of a request, in milliseconds: silence lasts so long.
const REQUEST_LIMIT: &str = "10000";

/// What a start asks a broker for; the fetch is that of the checkpoint.
const AT_A_START: [Api; 7] = [
    Api::ApiVersions,
    Api::Metadata,
    Api::DescribeConfigs,
    Api::FindCoordinator,
    Api::InitProducerId,
    Api::ListOffsets,
    Api::Fetch,
];

/// What a stream asks for between the beginning of a Kafka transaction and its end.
const IN_A_TRANSACTION: [Api; 3] = [Api::Produce, Api::AddPartitionsToTxn, Api::EndTxn];

/// Host of the broker, and as many bytes that a terminal obeys.
const HOST: [&[u8]; 2] = [b"127.0.0.1", b"\x1b]0;P\x07.xy"];

/// How this host is printed.
const PRINTED_HOST: &str = r"\u{1b}]0;P\u{7}.xy";

fn falsehoods() -> [Falsehood; 9] {
    [
        Falsehood::Length(-1),
        Falsehood::Flood(i32::MAX),
        // A length that is accepted, on several connections at the same time.
        Falsehood::Flood(10_000_000),
        Falsehood::Short(1),
        Falsehood::Half,
        Falsehood::CutOff,
        Falsehood::Filled(0xff),
        Falsehood::OtherRequest,
        Falsehood::Silence,
    ]
}

fn replaced([from, to]: [&[u8]; 2]) -> Falsehood {
    Falsehood::Replaced {
        from: from.to_vec(),
        to: to.to_vec(),
    }
}

/// A connector under load, as a supervisor keeps it, with a broker of its own behind the proxy.
struct Trial {
    world: World,
    kafka: Kafka,
    broker: FalseBroker,
    config: ConnectorConfig,
    walcast: Instance,
    load: Load,
    /// Most memory that any process had.
    memory_peak: u64,
    /// How often a process ended by itself.
    ends: u32,
}

impl Trial {
    async fn start(name: &str) -> Trial {
        let world = World::sharing(name, PostgresOptions::default()).await;
        let (options, broker) = KafkaOptions::default().behind_false_broker().await.unwrap();
        let kafka = Box::pin(Kafka::start(options)).await.unwrap();
        let config = world
            .config()
            .set("kafka.brokers", format!("127.0.0.1:{}", broker.port()))
            // Failures follow one another on purpose.
            .set("retry.backoff_max", "1000ms")
            .set_kafka_property("socket.timeout.ms", REQUEST_LIMIT)
            .set_kafka_property("request.timeout.ms", REQUEST_LIMIT);
        let shop = Shop::create(&world.postgres).await.unwrap();
        let walcast = Instance::start(&config).await;
        let options = LoadOptions {
            writes_per_second: Some(200),
            ..LoadOptions::default()
        };
        let load = shop.run(&world.postgres, &options);
        await_writes(&load, 200).await;
        let mut trial = Trial {
            world,
            kafka,
            broker,
            config,
            walcast,
            load,
            memory_peak: 0,
            ends: 0,
        };
        trial.recovers("the first changes", 0).await;
        trial
    }

    /// Waits until so many responses were changed since the start, and what is committed by then is in Kafka.
    async fn recovers(&mut self, what: &str, falsified: u64) {
        let mut committed = None;
        let recovered = wait_until(what, PATIENCE, async || {
            self.supervise(what);
            if self.broker.falsified() < falsified {
                return Ok(false);
            }
            let committed = match committed {
                Some(position) => position,
                None => *committed.insert(self.position_of_the_source().await),
            };
            let status = self.walcast.try_status().await;
            let delivered = status.and_then(|status| status["lsn"]["checkpointed"].as_str().map(lsn));
            Ok(delivered.is_some_and(|delivered| delivered >= committed))
        });
        if let Err(error) = recovered.await {
            panic!("{error}\n{}", self.walcast.log_end());
        }
    }

    /// Notes the memory of the process, and starts it again when it has ended.
    fn supervise(&mut self, what: &str) {
        if let Ok(usage) = self.walcast.process().usage() {
            self.memory_peak = self.memory_peak.max(usage.resident_bytes_peak);
        }
        if let Some(status) = self.walcast.process().ended().unwrap() {
            let log = self.walcast.log_end();
            assert_eq!(status.code(), Some(FAILED), "{what}: {status}\n{log}");
            self.ends += 1;
            self.walcast.start_again();
        }
    }

    async fn position_of_the_source(&self) -> u64 {
        let client = self.world.postgres.client().await.unwrap();
        let row = client.query_one("SELECT pg_current_wal_lsn()::text", &[]).await;
        lsn(row.unwrap().get(0))
    }

    /// Starts the stopped connector with these changes of responses, each of which it must meet.
    async fn starts_despite(&mut self, what: &str, changes: &[(Api, Falsehood, u32)]) {
        let mut wanted = self.broker.falsified();
        for (api, falsehood, responses) in changes {
            self.broker.falsify(*api, falsehood.clone(), *responses);
            wanted += u64::from(*responses);
        }
        self.walcast.start_again();
        self.recovers(what, wanted).await;
    }

    /// With an honest broker, all that was committed is in Kafka, once and in order.
    async fn assert_clean_end(mut self, what: &str) {
        self.broker.be_honest();
        self.load.stop().await.unwrap();
        let mut audit = Audit::between(
            &self.kafka.brokers(),
            self.world.registry(),
            self.world.name(),
            &Shop::TABLES,
        )
        .unwrap();
        self.world.assert_delivered(&mut audit, &mut self.walcast).await;
        self.walcast.stop().await;
        self.world.assert_still_clean(&mut audit, &self.walcast).await;
        assert_harmless(&self.walcast.log());
        let (changed, peak) = (self.broker.falsified(), self.memory_peak);
        eprintln!(
            "{what}: {changed} responses were changed, {} processes ended, most memory {peak} bytes",
            self.ends
        );
        assert!(
            peak > 0 && peak < MEMORY_MAX_BYTES,
            "{what}: {peak} bytes of memory"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_with_invalid_responses_of_a_broker_is_repeated_and_loses_nothing() {
    let mut trial = Trial::start("invalid_start").await;
    for falsehood in falsehoods() {
        trial.walcast.stop().await;
        let changes = AT_A_START.map(|api| (api, falsehood.clone(), 1));
        let what = format!("a start with {falsehood:?}");
        trial.starts_despite(&what, &changes).await;
    }
    trial.assert_clean_end("at a start").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_responses_within_a_kafka_transaction_lose_and_repeat_no_change() {
    let mut trial = Trial::start("invalid_stream").await;
    for api in IN_A_TRANSACTION {
        for falsehood in falsehoods() {
            let what = format!("{api:?} with {falsehood:?}");
            let wanted = trial.broker.falsified() + 1;
            trial.broker.falsify(api, falsehood, 1);
            trial.recovers(&what, wanted).await;
        }
    }
    assert_eq!(
        trial.ends, 0,
        "a connector that has streamed tries again by itself"
    );
    trial.assert_clean_end("within a transaction").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_of_a_broker_move_no_cursor() {
    let mut trial = Trial::start("invalid_texts").await;
    trial.walcast.stop().await;
    let changes = [
        (Api::Metadata, replaced(HOST), 4),
        (Api::FindCoordinator, replaced(HOST), 1),
    ];
    trial.starts_despite("a start with a false host", &changes).await;
    assert!(
        trial.walcast.log().contains(PRINTED_HOST),
        "{}",
        trial.walcast.log_end()
    );

    trial.walcast.stop().await;
    // The second name is not UTF-8 either.
    let topics: [&[u8]; 2] = [
        b"invalid_texts.walcast-checkpoints",
        b"invalid_texts.\x1b]0;P\x07\x1b[31m-che\xff\xfe\xfd\x80",
    ];
    assert_eq!(topics[0].len(), topics[1].len());
    let changes = [(Api::Metadata, replaced(topics), 3)];
    trial.starts_despite("a start with a false topic", &changes).await;

    trial.walcast.stop().await;
    // librdkafka may have asked for the brokers by itself before: the host is then one that it cannot resolve.
    let not_utf8 = ["the host of a broker is not UTF-8", "Failed to resolve '\u{fffd}"];
    for (host, printed) in [(HOST[1], [PRINTED_HOST; 2]), (&[0xff; 9], not_utf8)] {
        let falsehood = replaced([HOST[0], host]);
        trial.broker.falsify(Api::Metadata, falsehood, u32::MAX);
        let checked = run(&trial.config, &["check"]).await;
        trial.broker.be_honest();
        assert!(checked.code.is_some_and(|code| code < 2), "{checked:#?}");
        let is_printed = printed.iter().any(|text| checked.stdout.contains(text));
        assert!(is_printed, "{checked:#?}");
        assert_harmless(&checked.stdout);
        assert_harmless(&checked.stderr);
    }
    trial.walcast.start_again();
    trial.assert_clean_end("texts").await;
}

/// The checkpoint would be another one, behind the end of the server's WAL: the connector would halt.
#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_with_a_changed_byte_is_read_again() {
    let mut trial = Trial::start("changed_byte").await;
    trial.walcast.stop().await;
    let positions: [&[u8]; 2] = [b"\"end_lsn\":\"0/", b"\"end_lsn\":\"1/"];
    let changes = [(Api::Fetch, replaced(positions), 1)];
    trial
        .starts_despite("a start with a changed byte", &changes)
        .await;
    let log = trial.walcast.log();
    let expected = "reading the checkpoint: the response of a broker is invalid";
    assert!(log.contains(expected), "{}", trial.walcast.log_end());
    trial.assert_clean_end("a changed byte").await;
}
