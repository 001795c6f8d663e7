//! What happens to the servers and the processes while the application writes.

use std::rc::Rc;

use tokio::time::{Duration, sleep};
use walcast_delivery::{CheckpointState, Timeline, TimelineSwitch, WalStatus};
use walcast_pgoutput::{Lsn, Oid};

use crate::database::Database;
use crate::life::Life;
use crate::node::Node;
use crate::stream::MENDED;
use crate::workload;
use crate::world::World;

/// Positions of different timelines are never the same here, though they lie in the same range: so the checker knows
/// which of two transactions a record tells.
const TIMELINE_STRIDE: u64 = 8;

/// The longest time that something is away.
const AWAY_MAX_MS: u64 = 12_000;
/// How long a moment is waited for in which nobody streams.
const GAP_PATIENCE: Duration = Duration::from_secs(30);

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    ServerRestarts,
    /// A standby takes over that has all of the log, and the slot as it was synchronized last.
    FailsOverToSynced,
    /// A standby takes over whose log ends earlier.
    FailsOverToLagging,
    /// A standby takes over that has no slot.
    FailsOverWithoutSlot,
    /// A backup is restored, on a timeline of its own.
    RestoredToPoint,
    /// The data directory is set back, on the same timeline.
    SetBack,
    SlotAdvanced,
    SlotDropped,
    SlotDroppedAndMadeAgain,
    SlotLost,
    BrokerAway,
    RegistryAway,
    RegistryRefuses,
    /// All rows of a table are at other places, as after VACUUM FULL.
    TableRewritten,
    /// A table is made, with rows.
    TableAppears,
    /// All processes are started again with a configuration that captures one more table.
    ConfigurationWidened,
    ProcessKilled,
    ProcessStopped,
    ProcessFrozen,
}

impl Event {
    fn name(self) -> &'static str {
        match self {
            Event::ServerRestarts => "server restarts",
            Event::FailsOverToSynced => "fails over to synced",
            Event::FailsOverToLagging => "fails over to lagging",
            Event::FailsOverWithoutSlot => "fails over without slot",
            Event::RestoredToPoint => "restored to point",
            Event::SetBack => "set back",
            Event::SlotAdvanced => "slot advanced",
            Event::SlotDropped => "slot dropped",
            Event::SlotDroppedAndMadeAgain => "slot dropped and made again",
            Event::SlotLost => "slot lost",
            Event::BrokerAway => "broker away",
            Event::RegistryAway => "registry away",
            Event::RegistryRefuses => "registry refuses",
            Event::TableRewritten => "table rewritten",
            Event::TableAppears => "table appears",
            Event::ConfigurationWidened => "configuration widened",
            Event::ProcessKilled => "process killed",
            Event::ProcessStopped => "process stopped",
            Event::ProcessFrozen => "process frozen",
        }
    }
}

const HARMLESS: [Event; 10] = [
    Event::ServerRestarts,
    Event::FailsOverToSynced,
    Event::BrokerAway,
    Event::RegistryAway,
    Event::RegistryRefuses,
    Event::TableRewritten,
    Event::TableRewritten,
    Event::ProcessKilled,
    Event::ProcessStopped,
    Event::ProcessFrozen,
];

/// Of these one happens in a run at most: what would be right after two is nobody's promise.
const HARMFUL: [Event; 8] = [
    Event::FailsOverToLagging,
    Event::FailsOverToLagging,
    Event::FailsOverWithoutSlot,
    Event::RestoredToPoint,
    Event::SetBack,
    Event::SlotAdvanced,
    Event::SlotDropped,
    Event::SlotLost,
];

/// Lets things happen until all that are to have.
pub(crate) async fn happen(world: Rc<World>, nodes: Vec<Rc<Node>>) {
    let harmful = world
        .dice
        .one_in(2)
        .then(|| world.dice.roll(1 + world.settings.events));
    let expected_ms = world.settings.transactions * world.settings.pause_ms_max / 2 + 3_000;
    for number in 0..world.settings.events {
        let pause_ms = world.dice.roll(1 + 2 * expected_ms / (1 + world.settings.events));
        sleep(Duration::from_millis(pause_ms)).await;
        let event = if Some(number) == harmful {
            match world.dice.roll(9) {
                8 => Event::SlotDroppedAndMadeAgain,
                _ => *world.dice.pick(&HARMFUL),
            }
        } else if world.settings.has_late_tables && is_set_up(&world) && world.dice.one_in(4) {
            *world.dice.pick(&[
                Event::TableAppears,
                Event::TableAppears,
                Event::ConfigurationWidened,
            ])
        } else {
            *world.dice.pick(&HARMLESS)
        };
        world.trace.note("EVENT", || format!("{event:?}"));
        world.mark(event.name());
        let node = world.dice.pick(&nodes);
        if event == Event::ConfigurationWidened {
            world.database.borrow_mut().widen();
            nodes.iter().for_each(|node| node.with_life(Life::kill));
        }
        strike(&world, node, event).await;
    }
}

/// Whether a first start is done: one that is cut short after it made the publication asks for tables that came meanwhile to
/// be published by hand, as it does with a publication that somebody else made.
fn is_set_up(world: &World) -> bool {
    let broker = world.broker.borrow();
    let checkpoint = broker.checkpoint();
    checkpoint.is_some_and(|checkpoint| checkpoint.state == CheckpointState::Streaming)
}

async fn strike(world: &World, node: &Node, event: Event) {
    match event {
        Event::ProcessKilled => node.with_life(|life| life.kill()),
        Event::ProcessStopped => node.stop(),
        Event::ConfigurationWidened => {}
        Event::TableAppears => {
            let is_there = !world.database.borrow().is_held && !world.database.borrow().is_away;
            let table = world.database.borrow_mut().add_table().filter(|_| is_there);
            if let Some(table) = table {
                workload::fill(world, table);
            }
        }
        Event::TableRewritten => {
            let tables: Vec<Oid> = world
                .database
                .borrow()
                .tables
                .iter()
                .map(|table| table.oid)
                .collect();
            let table = *world.dice.pick(&tables);
            world.database.borrow_mut().rewrite(table, world.dice.roll(64));
        }
        Event::ProcessFrozen => node.with_life(|life| world.freeze(life)),
        Event::BrokerAway => {
            world.broker.borrow_mut().is_away = true;
            sleep(away(world)).await;
            world.broker.borrow_mut().is_away = false;
        }
        Event::RegistryAway => {
            world.registry.borrow_mut().is_away = true;
            sleep(away(world)).await;
            world.registry.borrow_mut().is_away = false;
        }
        Event::RegistryRefuses => {
            world.registry.borrow_mut().refuses = true;
            sleep(away(world)).await;
            world.registry.borrow_mut().refuses = false;
        }
        Event::ServerRestarts
        | Event::FailsOverToSynced
        | Event::FailsOverToLagging
        | Event::FailsOverWithoutSlot
        | Event::RestoredToPoint
        | Event::SetBack => {
            {
                let mut database = world.database.borrow_mut();
                database.is_away = true;
                database.disconnect_all();
                database.running = None;
                become_other(world, &mut database, event);
            }
            world.changed();
            sleep(Duration::from_millis(world.dice.roll(3_000))).await;
            world.database.borrow_mut().is_away = false;
        }
        Event::SlotAdvanced | Event::SlotDropped | Event::SlotDroppedAndMadeAgain | Event::SlotLost => {
            // Nobody can while it is streamed from; maybe there is a moment when it is not.
            node.with_life(|life| life.kill());
            let meddled = tokio::time::timeout(GAP_PATIENCE, meddle(world, event)).await;
            world.trace.note("database", || {
                format!("somebody had a chance to: {}", meddled.is_ok())
            });
        }
    }
    world.changed();
}

fn away(world: &World) -> Duration {
    Duration::from_millis(world.dice.roll(AWAY_MAX_MS))
}

/// What is there when the server comes back.
fn become_other(world: &World, database: &mut Database, event: Event) {
    // A promotion after that would mend what was found, where nothing but idle log is gone.
    if database.is_held {
        return;
    }
    let dice = &world.dice;
    let on_disk = database.confirmed_on_disk;
    if let Some(slot) = &mut database.slot {
        slot.confirmed_flush_lsn = slot.confirmed_flush_lsn.map(|_| on_disk);
        slot.restart_lsn = slot.confirmed_flush_lsn;
    }
    // A standby, or a backup, has everything from before the slot: nothing here is about that.
    let floor = database.confirmed().unwrap_or(database.wal_end);
    let back = database.wal_end.bytes_since(floor);
    let cut = Lsn::new(floor.as_u64() + dice.roll(back + 1) / TIMELINE_STRIDE * TIMELINE_STRIDE);
    // A log ends between two records, never inside of one.
    let mut records = database
        .log
        .iter()
        .map(|entry| (entry.commit_lsn, entry.next_lsn()));
    let cut_record = records.find(|(begin, end)| *begin < cut && cut < *end);
    let cut = cut_record.map_or(cut, |(begin, _)| begin);
    match event {
        Event::FailsOverToSynced => promote(database, database.wal_end),
        Event::FailsOverToLagging => promote(database, cut),
        Event::FailsOverWithoutSlot => {
            promote(database, cut);
            database.slot = None;
        }
        Event::RestoredToPoint => {
            promote(database, cut);
            if dice.one_in(2) {
                database.slot = None;
            }
        }
        Event::SetBack => set_back(world, database, cut),
        _ => {}
    }
    world.trace.note("database", || {
        let (timeline, wal_end, slot) = (database.timeline, database.wal_end, database.confirmed());
        format!("comes back on timeline {timeline}, its log ends at {wal_end}, the slot is at {slot:?}")
    });
}

/// A new timeline begins at `cut`. Where that lies before the last ones were left, they are no part of its history.
fn promote(database: &mut Database, cut: Lsn) {
    database.cut(cut);
    let mut left = database.timeline;
    while let Some(switch) = database.history.pop_if(|switch| cut < switch.switched_at) {
        left = switch.timeline;
    }
    database.history.push(TimelineSwitch {
        timeline: left,
        switched_at: cut,
    });
    database.begin_apart(cut);
    database.timeline = Timeline::new(database.timelines);
}

impl Database {
    /// Goes on behind `cut`, where all positions of this history lie between those of the others.
    fn begin_apart(&mut self, cut: Lsn) {
        self.timelines += 1;
        let offset = u64::from(self.timelines - 1) % TIMELINE_STRIDE;
        let aligned = cut.as_u64().div_ceil(TIMELINE_STRIDE) * TIMELINE_STRIDE;
        self.wal_end = Lsn::new(aligned + offset);
    }
}

/// The log ends earlier than it did, without a trace on the server. Here it only happens where something was delivered that
/// is gone; and the server only writes on where the log, read again, tells of it.
fn set_back(world: &World, database: &mut Database, cut: Lsn) {
    let Some(checkpoint) = world.broker.borrow().checkpoint().cloned() else {
        return;
    };
    if checkpoint.end_lsn <= cut {
        return;
    }
    database.cut(cut);
    let shows = checkpoint.last_commit.is_some_and(|last| cut <= last.commit_lsn)
        && database.server_version >= MENDED;
    if !shows || world.dice.one_in(3) {
        database.is_held = true;
        return;
    }
    world.mark("writes on after being set back");
    database.is_regrown = true;
    database.begin_apart(cut);
    if world.dice.one_in(2) {
        let to_checkpoint = checkpoint
            .end_lsn
            .bytes_since(database.wal_end.min(checkpoint.end_lsn));
        let strides = to_checkpoint.div_ceil(TIMELINE_STRIDE) + world.dice.roll(64);
        database.write_elsewhere(strides * TIMELINE_STRIDE);
    }
}

/// Somebody does something to the slot, as soon as nobody streams from it.
async fn meddle(world: &World, event: Event) {
    world
        .until(|| {
            let database = world.database.borrow();
            !database.is_away && !database.is_streaming()
        })
        .await;
    // Before there is a checkpoint nothing was promised for what the slot had.
    let checkpoint = world
        .broker
        .borrow()
        .checkpoint()
        .map(|checkpoint| checkpoint.state);
    if checkpoint != Some(CheckpointState::Streaming) {
        return;
    }
    let mut database = world.database.borrow_mut();
    let wal_end = database.wal_end;
    let Some(slot) = &mut database.slot else { return };
    let confirmed = slot.confirmed_flush_lsn.unwrap_or(wal_end);
    match event {
        Event::SlotAdvanced => {
            let bytes = 1 + world.dice.roll(wal_end.bytes_since(confirmed) + 1);
            let to = Lsn::new(confirmed.as_u64() + bytes).min(wal_end);
            database.confirm(to);
            database.confirmed_on_disk = database.confirmed_on_disk.max(to);
        }
        Event::SlotLost => {
            slot.wal_status = Some(WalStatus::Lost);
            slot.restart_lsn = None;
        }
        Event::SlotDroppedAndMadeAgain => {
            database.create_slot();
        }
        _ => database.slot = None,
    }
    let slot = database.confirmed();
    world
        .trace
        .note("database", || format!("the slot is at {slot:?} now"));
}
