//! The settings of a run, drawn from its seed.

use tokio::time::Duration;
use walcast_delivery::{
    CreateMissing, DeadLetterConfig, DeliveryConfig, OnIncompatible, ReplayConfig, SnapshotConfig,
    SnapshotMode, SqlConditions,
};
use walcast_mapper::config::Operation;
use walcast_mapper::{MapperConfig, TableName};

use crate::dice::Dice;

/// Settings of a run.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Inverse probability that a call fails; 0 for no faults.
    pub(crate) fault_one_in: u64,
    /// Whether there is a standby instance.
    pub(crate) has_standby: bool,
    /// Number of transactions before the first start of the connector.
    pub(crate) transactions_before: u64,
    /// Number of transactions while the connector runs.
    pub(crate) transactions: u64,
    /// Longest pause between two transactions.
    pub(crate) pause_ms_max: u64,
    /// Number of events of the servers and the processes.
    pub(crate) events: u64,
    /// Largest number of frames in a block.
    pub(crate) frames_per_block_max: usize,
    pub(crate) keepalives_inside: bool,
    /// `transaction.timeout.ms`.
    pub(crate) transaction_timeout: Duration,
    pub(crate) split_over_bytes: Option<u64>,
    pub(crate) replay_retention_bytes: Option<u64>,
    pub(crate) reads_rows: bool,
    pub(crate) rows_per_second: Option<u32>,
    pub(crate) emits_transactions: bool,
    pub(crate) emits_truncates: bool,
    pub(crate) has_heartbeats: bool,
    /// Whether rows are requested by commands.
    pub(crate) has_requests: bool,
    /// Whether rows are requested by signals.
    pub(crate) has_signals: bool,
    /// Whether some signals are rows of a table.
    pub(crate) signal_table: bool,
    pub(crate) server_version: u32,
    /// Whether tables are created later.
    pub(crate) has_late_tables: bool,
    /// Whether there is a partitioned table, whose leaves come and go.
    pub(crate) has_partitions: bool,
    /// Whether windows are replayed, other programs write to the topics, and rows that differ are repaired.
    pub(crate) has_replays: bool,
    pub(crate) slot_check_interval: Duration,
    /// Longest pause between two requests of one kind.
    pub(crate) request_pause_ms: u64,
}

impl Settings {
    pub(crate) fn draw(dice: &Dice) -> Self {
        let mut settings = Self {
            fault_one_in: *dice.pick(&[0, 15, 40, 100]),
            has_standby: dice.one_in(2),
            transactions_before: dice.roll(14),
            transactions: 3 + dice.roll(60),
            pause_ms_max: *dice.pick(&[1, 20, 200, 1500]),
            events: dice.roll(10),
            frames_per_block_max: *dice.pick(&[1, 3, 12, 100]),
            keepalives_inside: dice.one_in(2),
            transaction_timeout: Duration::from_secs(*dice.pick(&[10, 60])),
            split_over_bytes: dice.one_in(4).then(|| 1 + dice.roll(800)),
            replay_retention_bytes: dice.one_in(5).then(|| dice.roll(0x1000)),
            reads_rows: !dice.one_in(3),
            rows_per_second: *dice.pick(&[None, None, Some(1), Some(10)]),
            emits_transactions: dice.one_in(4),
            emits_truncates: dice.one_in(4),
            has_heartbeats: dice.one_in(6),
            has_requests: dice.one_in(3),
            has_signals: dice.one_in(3),
            signal_table: dice.one_in(2),
            server_version: *dice.pick(&[170_006, 160_008]),
            has_late_tables: dice.one_in(2),
            has_partitions: false,
            has_replays: false,
            slot_check_interval: Duration::from_secs(*dice.pick(&[2, 10, 30])),
            request_pause_ms: *dice.pick(&[300, 3_000, 20_000]),
        };
        // The checker cannot observe the changes held back until the stream restarts; the protocol tests cover them.
        if !settings.reads_rows {
            settings.server_version = 170_006;
        }
        settings
    }

    pub(crate) fn mapper(&self) -> MapperConfig {
        let mut mapper = MapperConfig::new("shop", "shop");
        mapper.events.transactions = self.emits_transactions;
        if self.emits_truncates {
            mapper.events.operations.push(Operation::Truncate);
        }
        mapper.events.heartbeat_interval = Duration::from_millis(if self.has_heartbeats { 700 } else { 0 });
        mapper
    }

    pub(crate) fn delivery(&self) -> DeliveryConfig {
        // The retention by time would use the real clock, so only the limit in bytes applies.
        let retention = self
            .replay_retention_bytes
            .map(|_| Duration::from_secs(1_000_000_000));
        DeliveryConfig {
            slot: "walcast_shop".to_owned(),
            publication: "walcast_shop".to_owned(),
            create_missing: CreateMissing::Both,
            commit_interval: Duration::from_millis(5),
            commit_bytes: 4_000,
            transaction_timeout: self.transaction_timeout,
            split_over_bytes: self.split_over_bytes,
            on_incompatible: OnIncompatible::Halt,
            dead_letters: DeadLetterConfig::none("shop", "shop.dead-letters"),
            idle_interval: Duration::from_secs(2),
            slot_check_interval: self.slot_check_interval,
            replay: ReplayConfig {
                retention: retention.unwrap_or(Duration::ZERO),
                retention_bytes: self.replay_retention_bytes,
                history_interval: Duration::ZERO,
            },
            retry_backoff_min: Duration::from_millis(100),
            retry_backoff_max: Duration::from_secs(3),
            snapshot: SnapshotConfig {
                mode: if self.reads_rows {
                    SnapshotMode::Initial
                } else {
                    SnapshotMode::Never
                },
                tables: Vec::new(),
                initial_hold_max: Duration::from_secs(2),
                hold_max: Duration::from_secs(1),
                rows_per_second: self.rows_per_second,
                bytes_per_second: None,
                signal_table: (self.has_signals && self.signal_table).then(|| TableName {
                    namespace: "public".to_owned(),
                    name: "signals".to_owned(),
                }),
                sql_conditions: SqlConditions::default(),
            },
        }
    }
}
