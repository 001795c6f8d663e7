//! Many faults and crashes in one run, chosen by a seed that is printed.

use walcast_mapper::config::Operation;

use crate::exactly_once::write_history;
use crate::fakes::{
    Act, CONNECTION_LOST, Change, KafkaCall, PostgresCall, World, delete, insert, insert_padded, message,
    truncate, update, update_key, verify_so_far,
};

/// Number of runs; the seed of a run is its index.
const RUNS: u64 = 300;

/// xorshift64*: the same numbers on every platform and in every version, so that a seed stays valid.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `sides`.
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % sides
    }

    fn count(&mut self, sides: u64) -> usize {
        usize::try_from(self.roll(sides)).expect("dice here are small")
    }

    fn change(&mut self) -> Change {
        let id = i32::try_from(self.roll(1000)).expect("dice here are small");
        match self.roll(10) {
            0..3 => insert(id),
            3..5 => update(id),
            5 => delete(id),
            6 => update_key(id, id + 1000),
            7 => truncate(),
            8 => message(),
            _ => insert_padded(id, 70_000),
        }
    }

    fn transaction(&mut self, world: &World) {
        let changes: Vec<(&str, Change)> = (0..=self.roll(6))
            .map(|_| {
                let table = ["accounts", "orders", "audit"][self.count(3)];
                (table, self.change())
            })
            .collect();
        match self.roll(5) {
            0 => drop(world.postgres.copy(changes)),
            1 => drop(world.postgres.emit_message()),
            _ => drop(world.postgres.commit(changes)),
        }
    }

    fn fault(&mut self, world: &World) {
        let nth = 1 + self.count(12);
        let act = if self.roll(2) == 0 {
            Act::Fail(CONNECTION_LOST)
        } else {
            Act::ApplyThenFail(CONNECTION_LOST)
        };
        if self.roll(2) == 0 {
            world
                .postgres
                .edit(|server| server.script.at(PostgresCall::Next, nth, act));
        } else {
            let call = [KafkaCall::Write, KafkaCall::Commit, KafkaCall::Abort][self.count(3)];
            world.kafka.edit(|broker| broker.script.at(call, nth, act));
        }
    }
}

async fn run_with(seed: u64) {
    let mut dice = Dice::new(seed);
    let mut world = World::set_up();
    world.config.split_over_bytes = (dice.roll(3) == 0).then_some(100_000);
    world.mapper.events.transactions = dice.roll(2) == 0;
    if dice.roll(2) == 0 {
        world.mapper.events.operations.push(Operation::Truncate);
    }
    world.mapper.events.heartbeat_interval = std::time::Duration::from_millis(200 * dice.roll(2));
    world.postgres.edit(|server| {
        let mut audit = crate::fakes::Table::new("audit", 16_420);
        audit.captured = false;
        server.tables.push(audit);
        server.frames_per_block = 1 + dice.count(20);
        server.keepalives_inside = dice.roll(2) == 0;
    });
    write_history(&world);
    for _ in 0..=dice.roll(12) {
        dice.transaction(&world);
    }
    for _ in 0..dice.roll(5) {
        dice.fault(&world);
    }
    for _ in 0..dice.roll(4) {
        let steps = dice.roll(120);
        world.crash_after(steps).await;
        verify_so_far(&world);
        for _ in 0..dice.roll(3) {
            dice.transaction(&world);
        }
    }
    world.deliver().await;
}

#[tokio::test(start_paused = true)]
async fn faults_and_crashes_by_seed() {
    for seed in 0..RUNS {
        println!("seed {seed}");
        run_with(seed).await;
    }
}
