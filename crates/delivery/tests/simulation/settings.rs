//! What a seed chooses before a run begins.

use tokio::time::Duration;
use walcast_delivery::{
    DeadLetterConfig, DeliveryConfig, OnIncompatible, ReplayConfig, SnapshotConfig, SnapshotMode,
};
use walcast_mapper::{MapperConfig, Operation, TableName};

use crate::dice::Dice;

/// How a run is to go.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// One call in so many fails; 0: none.
    pub(crate) fault_one_in: u64,
    /// Whether a second instance stands by.
    pub(crate) has_standby: bool,
    /// Transactions before the connector's first start.
    pub(crate) transactions_before: u64,
    /// Transactions while it runs.
    pub(crate) transactions: u64,
    /// The longest pause between two of them.
    pub(crate) pause_ms_max: u64,
    /// Things that happen to the servers and the processes meanwhile.
    pub(crate) events: u64,
    /// How many frames come together at most.
    pub(crate) frames_per_block_max: usize,
    pub(crate) keepalives_inside: bool,
    /// `transaction.timeout.ms`.
    pub(crate) transaction_timeout: Duration,
    pub(crate) split_over_bytes: Option<u64>,
    pub(crate) replay_keep_bytes: Option<u64>,
    pub(crate) reads_rows: bool,
    pub(crate) rows_per_second: Option<u32>,
    pub(crate) tells_transactions: bool,
    pub(crate) tells_truncates: bool,
    pub(crate) beats: bool,
    /// Whether rows are asked for by commands.
    pub(crate) asks: bool,
    /// Whether they are by signals.
    pub(crate) signals: bool,
    /// Whether some of these are rows of a table.
    pub(crate) signal_table: bool,
    pub(crate) server_version: u32,
    /// Whether tables come later.
    pub(crate) has_late_tables: bool,
    pub(crate) watch_interval: Duration,
    /// The longest pause between two requests of one kind.
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
            replay_keep_bytes: dice.one_in(5).then(|| dice.roll(0x1000)),
            reads_rows: !dice.one_in(3),
            rows_per_second: *dice.pick(&[None, None, Some(1), Some(10)]),
            tells_transactions: dice.one_in(4),
            tells_truncates: dice.one_in(4),
            beats: dice.one_in(6),
            asks: dice.one_in(3),
            signals: dice.one_in(3),
            signal_table: dice.one_in(2),
            server_version: *dice.pick(&[170_006, 160_008]),
            has_late_tables: dice.one_in(2),
            watch_interval: Duration::from_secs(*dice.pick(&[2, 10, 30])),
            request_pause_ms: *dice.pick(&[300, 3_000, 20_000]),
        };
        // What is held back there until the stream is begun anew is told by nothing: the protocol's tests have that.
        if !settings.reads_rows {
            settings.server_version = 170_006;
        }
        settings
    }

    pub(crate) fn mapper(&self) -> MapperConfig {
        let mut mapper = MapperConfig::new("shop", "shop");
        mapper.events.transactions = self.tells_transactions;
        if self.tells_truncates {
            mapper.events.operations.push(Operation::Truncate);
        }
        mapper.events.heartbeat_interval_ms = if self.beats { 700 } else { 0 };
        mapper
    }

    pub(crate) fn delivery(&self) -> DeliveryConfig {
        // By time nothing is kept here: it would be that of our own clock.
        let keep = self.replay_keep_bytes.map(|_| Duration::from_secs(1_000_000_000));
        DeliveryConfig {
            slot: "walcast_shop".to_owned(),
            publication: "walcast_shop".to_owned(),
            create_missing: true,
            commit_interval: Duration::from_millis(5),
            commit_bytes: 4_000,
            transaction_timeout: self.transaction_timeout,
            split_over_bytes: self.split_over_bytes,
            on_incompatible: OnIncompatible::Halt,
            dead_letters: DeadLetterConfig::none("shop", "shop.dead-letters"),
            idle_interval: Duration::from_secs(2),
            watch_interval: self.watch_interval,
            replay: ReplayConfig {
                keep: keep.unwrap_or(Duration::ZERO),
                keep_bytes: self.replay_keep_bytes,
                history_interval: Duration::ZERO,
            },
            retry_delay_min: Duration::from_millis(100),
            retry_delay_max: Duration::from_secs(3),
            snapshot: SnapshotConfig {
                mode: if self.reads_rows {
                    SnapshotMode::Initial
                } else {
                    SnapshotMode::Never
                },
                tables: Vec::new(),
                first_window: Duration::from_secs(2),
                window: Duration::from_secs(1),
                rows_per_second: self.rows_per_second,
                bytes_per_second: None,
                signal_table: (self.signals && self.signal_table).then(|| TableName {
                    namespace: "public".to_owned(),
                    name: "signals".to_owned(),
                }),
            },
        }
    }
}
