//! The source against real Postgres servers.

// A look-up that fails in a helper is a failed test, as in the tests themselves.
#![allow(clippy::unwrap_used)]

mod authentication;
mod catalog;
mod conditions;
mod encodings;
mod keys_and_nulls;
mod leadership;
mod lock_holder;
mod partitions;
mod privileges;
mod published;
mod read_only_snapshots;
mod refused_calls;
mod streaming;
mod tail;
mod tls;
mod values;
mod versions;

use std::time::Duration;

use walcast_delivery::{
    BoxedPortError, ChangeStream, CreateMissing, Partitions, Source, SourceState, Started,
};
use walcast_pgoutput::{Column, Decoder, Frame, Lsn, Message, Oid, Relation, ReplicaIdentity};
use walcast_postgres::{
    CONDITION_TIMEOUT_DEFAULT, ConnectConfig, Environment, Failover, LEADER_TIMEOUT_DEFAULT, PostgresConfig,
    PostgresSource, QUEUE_BYTES_DEFAULT,
};
use walcast_testbed::Postgres;

/// Longer than anything here takes; a test that hangs fails instead.
const LIMIT: Duration = Duration::from_secs(60);

/// A connection that knows nothing of this process's environment.
fn connect(text: &str) -> ConnectConfig {
    ConnectConfig::parse(text, &Environment::default()).unwrap()
}

/// A connector named `shop` that captures all of `public`.
fn config(url: &str) -> PostgresConfig {
    PostgresConfig {
        connect: connect(url),
        name: "shop".to_owned(),
        slot: "walcast_shop".to_owned(),
        creates_missing: CreateMissing::Both,
        failover: Failover::Auto,
        leader_timeout: LEADER_TIMEOUT_DEFAULT,
        publication: "walcast_shop".to_owned(),
        tables: vec!["public.*".parse().unwrap()],
        exclude: Vec::new(),
        keyed: Vec::new(),
        partitions: Partitions::Root,
        operations: walcast_mapper::config::EventsConfig::default().operations,
        queue_bytes: QUEUE_BYTES_DEFAULT,
        logical_decoding_work_mem: None,
        snapshot_tables: None,
        snapshot_parallelism: 2,
        snapshot_filters: Vec::new(),
        snapshot_lock_timeout: Duration::from_secs(10),
        signal_table: None,
        wal_disk_size: None,
        reading_role: None,
        condition_timeout: CONDITION_TIMEOUT_DEFAULT,
        reader: None,
    }
}

/// Description of a table of which no change was streamed.
fn relation(oid: Oid) -> Relation {
    Relation {
        xid: None,
        oid,
        namespace: "public".to_owned(),
        name: String::new(),
        replica_identity: ReplicaIdentity::Default,
        columns: Vec::new(),
    }
}

fn source(url: &str) -> PostgresSource {
    PostgresSource::new(config(url)).unwrap()
}

/// Leads, and creates publication and slot where they are missing.
async fn set_up(source: &mut PostgresSource) -> Result<(SourceState, Lsn), BoxedPortError> {
    source.acquire_leadership().await?;
    let source_state = source.inspect(None).await?;
    if source_state.publication.is_none() {
        let tables: Vec<_> = source_state
            .captured
            .iter()
            .map(|table| table.name.clone())
            .collect();
        source.create_publication(&tables).await?;
    }
    let from = match &source_state.slot {
        Some(slot) => slot.confirmed_flush_lsn.unwrap(),
        None => source.create_slot(false).await?.consistent_point,
    };
    Ok((source_state, from))
}

/// Sets up and streams.
async fn start(source: &mut PostgresSource) -> Started<PostgresSource> {
    let (_, from) = set_up(source).await.unwrap();
    source.start(from).await.unwrap()
}

/// Reads to the end of the next transaction with changes and returns the texts of the inserted rows' first columns.
async fn next_inserts(stream: &mut impl ChangeStream) -> (Vec<String>, Lsn) {
    let mut decoder = Decoder::new();
    let mut inserted = Vec::new();
    let reading = async {
        loop {
            for frame in stream.next().await.unwrap().frames() {
                let Frame::XLogData { message, .. } = frame.unwrap() else {
                    continue;
                };
                match decoder.decode(message).unwrap() {
                    Message::Insert(insert) => {
                        let Some(Column::Text(text)) = insert.new.columns().next() else {
                            panic!("the first column is not text");
                        };
                        inserted.push(String::from_utf8_lossy(text).into_owned());
                    }
                    Message::Commit(commit) if !inserted.is_empty() => return commit.end_lsn,
                    _ => {}
                }
            }
        }
    };
    let end_lsn = tokio::time::timeout(LIMIT, reading)
        .await
        .expect("no insert arrived");
    (inserted, end_lsn)
}

/// Waits until the slot's confirmed position has reached `lsn`.
async fn wait_until_confirmed(server: &Postgres, lsn: Lsn) {
    let client = server.client().await.unwrap();
    walcast_testbed::wait_until("confirmation", LIMIT, async || {
        let row = client
            .query_one("SELECT confirmed_flush_lsn::text FROM pg_replication_slots", &[])
            .await
            .unwrap();
        let confirmed: Lsn = row.get::<_, String>(0).parse().unwrap();
        Ok(confirmed >= lsn)
    })
    .await
    .unwrap();
}
