//! Who asks for rows while changes are streamed: by command, by the signal topic, by rows of the signal table.
//!
//! Each request to read carries a condition of its own, which chooses all rows: by it the checker tells for which request a
//! row was read.

use std::rc::Rc;

use tokio::time::{Duration, sleep, timeout};
use walcast_delivery::{Marks, Selection, SnapshotCommand, SnapshotControl, SnapshotUnanswered};
use walcast_mapper::TableName;

use crate::node::Node;
use crate::world::World;

/// How often somebody looks at the end of a run whether reading is paused.
const RESUME_INTERVAL: Duration = Duration::from_secs(5);
/// How long an instance that does not lead is waited for then.
const RESUME_PATIENCE: Duration = Duration::from_secs(10);

/// How long a follower of the signal topic waits when nobody takes a signal.
const SIGNAL_PAUSE: Duration = Duration::from_millis(25);

/// Tables that are asked for.
const PATTERNS: [&str; 4] = ["public.accounts", "public.orders", "public.o*", "*.*"];

/// What was asked for, and what was answered.
#[derive(Default)]
pub(crate) struct Requests {
    /// The signal topic; a record's offset is its place.
    pub(crate) topic: Vec<Signalled>,
    pub(crate) starts: Vec<Start>,
    pub(crate) stops: Vec<Stop>,
    /// Counts what happens to requests, so that they have an order.
    moment: u64,
    made: u64,
}

/// A signal.
#[derive(Clone, Debug)]
pub(crate) struct Signalled {
    /// The text of a record of the topic.
    pub(crate) text: String,
    /// What it asks to be read, by the condition; `None`: it asks for something else.
    pub(crate) filter: Option<String>,
    pub(crate) table: TableName,
    pub(crate) sent: u64,
}

/// A request to read that was answered.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    pub(crate) filter: String,
    pub(crate) sent: u64,
    /// The tables that are read, as they were answered; `None`: it was refused.
    pub(crate) tables: Option<Vec<String>>,
    /// The last version of any row at that moment.
    pub(crate) version: u64,
}

/// A request to read no more, whatever came of it.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    /// Of one table, or of all.
    pub(crate) table: Option<String>,
    /// Until then it may be carried out; `None`: still.
    pub(crate) done: Option<u64>,
}

impl Requests {
    fn tick(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }

    fn new_filter(&mut self) -> String {
        self.made += 1;
        format!("request {}", self.made)
    }

    /// Whether reading a table may have been stopped after a moment.
    pub(crate) fn may_be_stopped(&self, table: &str, sent: u64) -> bool {
        self.stops.iter().any(|stop| {
            stop.table.as_deref().is_none_or(|one| one == table) && stop.done.is_none_or(|done| done > sent)
        })
    }
}

/// Asks an instance one thing after the other, as long as things happen.
pub(crate) async fn ask(world: &World, node: &Node) {
    let pause_ms = world.settings.request_pause_ms;
    while world.settings.asks && world.is_stormy.get() {
        sleep(Duration::from_millis(1 + world.dice.roll(pause_ms))).await;
        let Some(control) = node.control().filter(|_| world.is_stormy.get()) else {
            continue;
        };
        match world.dice.roll(8) {
            0 => ask_to_stop(world, &control).await,
            1 | 2 => tell(world, "pause", &control.ask(SnapshotCommand::Pause).await),
            3 => tell(world, "resume", &control.ask(SnapshotCommand::Resume).await),
            _ => ask_to_start(world, &control).await,
        }
    }
}

fn tell<T>(world: &World, what: &str, answer: &Result<T, SnapshotUnanswered>) {
    world.mark(match answer {
        Ok(_) => "request answered",
        Err(SnapshotUnanswered::Refused(_)) => "request refused",
        Err(_) => "request lost",
    });
    world.trace.note("somebody", || {
        format!("asks to {what}: {:?}", answer.as_ref().err())
    });
}

async fn ask_to_start(world: &World, control: &SnapshotControl) {
    let (filter, sent) = {
        let mut requests = world.requests.borrow_mut();
        (requests.new_filter(), requests.tick())
    };
    let pattern = *world.dice.pick(&PATTERNS);
    let selection = Selection {
        tables: pattern.parse().expect("a pattern"),
        filter: Some(filter.clone()),
        letters: Vec::new(),
        former_keys: Vec::new(),
    };
    let command = SnapshotCommand::Start {
        tables: vec![selection],
        marks: *world.dice.pick(&[Marks::Initial, Marks::Incremental]),
        id: None,
    };
    let answer = control.ask(command).await;
    tell(world, &format!("start {pattern}, {filter}"), &answer);
    let tables = match answer {
        Ok(answer) => Some(answer.tables),
        Err(SnapshotUnanswered::Refused(_)) => None,
        // Whether it is carried out is not known.
        Err(_) => return,
    };
    if world.is_over.get() {
        return;
    }
    let version = world.database.borrow().versions_made();
    world.requests.borrow_mut().starts.push(Start {
        filter,
        sent,
        tables,
        version,
    });
}

async fn ask_to_stop(world: &World, control: &SnapshotControl) {
    let table = *world.dice.pick(&[Some(PATTERNS[0]), Some(PATTERNS[1]), None]);
    let tables = table.map(|table| table.parse().expect("a pattern"));
    let place = {
        let mut requests = world.requests.borrow_mut();
        let table = table.map(str::to_owned);
        requests.stops.push(Stop { table, done: None });
        requests.stops.len() - 1
    };
    let tables = tables.into_iter().collect();
    let answer = control.ask(SnapshotCommand::Stop { tables }).await;
    tell(world, "stop", &answer);
    let mut requests = world.requests.borrow_mut();
    let done = requests.tick();
    requests.stops[place].done = Some(done);
}

/// Writes signals, as long as things happen.
pub(crate) async fn signal(world: &World) {
    let pause_ms = world.settings.request_pause_ms;
    while world.settings.signals && world.is_stormy.get() {
        sleep(Duration::from_millis(1 + world.dice.roll(pause_ms))).await;
        if !world.is_stormy.get() {
            return;
        }
        let names = world.database.borrow().captured_names();
        let table = world.dice.pick(&names).clone();
        let (filter, sent) = {
            let mut requests = world.requests.borrow_mut();
            (requests.new_filter(), requests.tick())
        };
        let (kind, data) = match world.dice.roll(8) {
            0 => ("pause-snapshot", "{}".to_owned()),
            1 => ("resume-snapshot", "{}".to_owned()),
            2 => ("drop-tables", "{}".to_owned()),
            _ => ("execute-snapshot", execute(&table, &filter)),
        };
        let signalled = Signalled {
            text: format!(r#"{{"type":"{kind}","data":{data}}}"#),
            filter: (kind == "execute-snapshot").then_some(filter),
            table,
            sent,
        };
        world
            .trace
            .note("somebody", || format!("signals {}", signalled.text));
        if world.settings.signal_table && world.dice.one_in(2) {
            let mut database = world.database.borrow_mut();
            if !database.is_away && !database.is_held {
                world.mark("signal in a row");
                database.signal(kind, &data, signalled);
            }
        } else {
            world.requests.borrow_mut().topic.push(signalled);
        }
        world.changed();
    }
}

fn execute(table: &TableName, filter: &str) -> String {
    format!(
        r#"{{"data-collections":["{table}"],"additional-conditions":[{{"data-collection":"{table}","filter":"{filter}"}}]}}"#
    )
}

/// Hands the records of the topic to a process, as long as it lives.
pub(crate) async fn follow(world: Rc<World>, control: SnapshotControl) {
    if !world.settings.signals {
        std::future::pending::<()>().await;
    }
    loop {
        // The stream is begun anew meanwhile, and takes requests again then.
        let Err(_) = try_follow(&world, &control).await;
        world.mark("signal not stored");
        sleep(SIGNAL_PAUSE).await;
    }
}

async fn try_follow(
    world: &World,
    control: &SnapshotControl,
) -> Result<std::convert::Infallible, SnapshotUnanswered> {
    let length = || i64::try_from(world.requests.borrow().topic.len()).expect("topics here are short");
    let mut offset = control.signals_from(length()).await?;
    loop {
        world.until(|| length() > offset).await;
        let place = usize::try_from(offset).expect("offsets are not negative");
        let text = world.requests.borrow().topic[place].text.clone();
        control.signal(offset, text.as_bytes()).await?;
        offset += 1;
    }
}

/// At the end of a run nothing stays paused.
pub(crate) async fn resume(world: &World, nodes: &[Rc<Node>]) {
    loop {
        sleep(RESUME_INTERVAL).await;
        if world.is_stormy.get() {
            continue;
        }
        for control in nodes.iter().filter_map(|node| node.control()) {
            drop(timeout(RESUME_PATIENCE, control.ask(SnapshotCommand::Resume)).await);
        }
    }
}
