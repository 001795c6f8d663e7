//! Clients that request rows while changes are streamed: by command, by the signal topic, and by rows of the signal table.
//!
//! Each request to read has a unique condition that selects all rows, by which the checker assigns a row that was read to its
//! request.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use tokio::time::{Duration, sleep, timeout};
use walcast_delivery::{Selection, SnapshotCommand, SnapshotControl, SnapshotType, SnapshotUnanswered};
use walcast_mapper::TableName;

use crate::node::Node;
use crate::world::World;

/// Interval at which reading is resumed at the end of a run.
const RESUME_INTERVAL: Duration = Duration::from_secs(5);
/// Limit of the wait for an instance that does not lead.
const RESUME_TIMEOUT: Duration = Duration::from_secs(10);

/// Pause of the reader of the signal topic after a signal was not accepted.
const SIGNAL_PAUSE: Duration = Duration::from_millis(25);

/// Tables that are requested.
const PATTERNS: [&str; 4] = ["public.accounts", "public.orders", "public.o*", "*.*"];

/// The requests of a run, and their answers.
#[derive(Default)]
pub(crate) struct Requests {
    /// The signal topic; the offset of a record is its index.
    pub(crate) topic: Vec<SentSignal>,
    pub(crate) starts: Vec<Start>,
    pub(crate) stops: Vec<Stop>,
    /// Keys that repairs have requested, by condition.
    repairs: BTreeMap<String, BTreeSet<i32>>,
    /// Counter that orders the events of requests.
    moment: u64,
    made: u64,
}

/// A signal.
#[derive(Clone, Debug)]
pub(crate) struct SentSignal {
    /// The text of a record of the topic.
    pub(crate) text: String,
    /// The condition of a request to read; `None` for other signals.
    pub(crate) filter: Option<String>,
    pub(crate) table: TableName,
    pub(crate) sent: u64,
}

/// A request to read that was answered.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    pub(crate) filter: String,
    pub(crate) sent: u64,
    /// The tables in the answer; `None` if the request was rejected.
    pub(crate) tables: Option<Vec<String>>,
    /// The newest version of any row at the answer.
    pub(crate) version: u64,
}

/// A request to stop reading, whatever its answer.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    /// The table, or `None` for all.
    pub(crate) table: Option<String>,
    /// Moment until which the request may be executed; `None` while it is pending.
    pub(crate) done: Option<u64>,
}

impl Requests {
    fn tick(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }

    fn new_filter(&mut self) -> String {
        self.made += 1;
        format!("request = {}", self.made)
    }

    /// Condition of a repair, which selects the rows with these keys.
    pub(crate) fn new_repair(&mut self, ids: BTreeSet<i32>) -> String {
        self.made += 1;
        let condition = format!("repair = {}", self.made);
        self.repairs.insert(condition.clone(), ids);
        condition
    }

    /// Whether a condition selects a row; those of other requests select all rows.
    pub(crate) fn selects(&self, condition: Option<&str>, id: i32) -> bool {
        let repaired = condition.and_then(|condition| self.repairs.get(condition));
        repaired.is_none_or(|ids| ids.contains(&id))
    }

    /// Whether the read of a table may have been stopped after a moment.
    pub(crate) fn may_be_stopped(&self, table: &str, sent: u64) -> bool {
        self.stops.iter().any(|stop| {
            stop.table.as_deref().is_none_or(|one| one == table) && stop.done.is_none_or(|done| done > sent)
        })
    }
}

/// Sends requests to an instance, one after the other, while faults occur.
pub(crate) async fn send_requests(world: &World, node: &Node) {
    let pause_ms = world.settings.request_pause_ms;
    while world.settings.has_requests && world.has_faults.get() {
        sleep(Duration::from_millis(1 + world.dice.roll(pause_ms))).await;
        let Some(control) = node.control().filter(|_| world.has_faults.get()) else {
            continue;
        };
        match world.dice.roll(8) {
            0 => request_stop(world, &control).await,
            1 | 2 => record_answer(world, "pause", &control.ask(SnapshotCommand::Pause).await),
            3 => record_answer(world, "resume", &control.ask(SnapshotCommand::Resume).await),
            _ => request_start(world, &control).await,
        }
    }
}

fn record_answer<T>(world: &World, request: &str, answer: &Result<T, SnapshotUnanswered>) {
    world.cover(match answer {
        Ok(_) => "request answered",
        Err(SnapshotUnanswered::Rejected(_)) => "request rejected",
        Err(_) => "request lost",
    });
    world.trace.note("client", || {
        format!("requests {request}: {:?}", answer.as_ref().err())
    });
}

async fn request_start(world: &World, control: &SnapshotControl) {
    let (filter, sent) = {
        let mut requests = world.requests.borrow_mut();
        (requests.new_filter(), requests.tick())
    };
    let pattern = *world.dice.pick(&PATTERNS);
    let selection = Selection {
        tables: pattern.parse().expect("a pattern"),
        filter: Some(filter.clone()),
        dead_letters: Vec::new(),
        former_keys: Vec::new(),
    };
    let command = SnapshotCommand::Start {
        tables: vec![selection],
        marks: *world
            .dice
            .pick(&[SnapshotType::Initial, SnapshotType::Incremental]),
        id: None,
    };
    let answer = control.ask(command).await;
    record_answer(world, &format!("start {pattern}, {filter}"), &answer);
    let tables = match answer {
        Ok(answer) => Some(answer.tables),
        Err(SnapshotUnanswered::Rejected(_)) => None,
        // It is unknown whether the request is executed.
        Err(_) => return,
    };
    if world.is_finished.get() {
        return;
    }
    let version = world.database.borrow().last_version();
    world.requests.borrow_mut().starts.push(Start {
        filter,
        sent,
        tables,
        version,
    });
}

async fn request_stop(world: &World, control: &SnapshotControl) {
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
    record_answer(world, "stop", &answer);
    let mut requests = world.requests.borrow_mut();
    let done = requests.tick();
    requests.stops[place].done = Some(done);
}

/// Writes signals while faults occur.
pub(crate) async fn send_signals(world: &World) {
    let pause_ms = world.settings.request_pause_ms;
    while world.settings.has_signals && world.has_faults.get() {
        sleep(Duration::from_millis(1 + world.dice.roll(pause_ms))).await;
        if !world.has_faults.get() {
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
        let sent_signal = SentSignal {
            text: format!(r#"{{"type":"{kind}","data":{data}}}"#),
            filter: (kind == "execute-snapshot").then_some(filter),
            table,
            sent,
        };
        world
            .trace
            .note("client", || format!("signals {}", sent_signal.text));
        if world.settings.signal_table && world.dice.one_in(2) {
            let mut database = world.database.borrow_mut();
            if !database.is_unavailable && !database.is_read_only {
                world.cover("signal in a row");
                database.signal(kind, &data, sent_signal);
            }
        } else {
            world.requests.borrow_mut().topic.push(sent_signal);
        }
        world.changed();
    }
}

fn execute(table: &TableName, filter: &str) -> String {
    format!(
        r#"{{"data-collections":["{table}"],"additional-conditions":[{{"data-collection":"{table}","filter":"{filter}"}}]}}"#
    )
}

/// Passes the records of the topic to a process while it runs.
pub(crate) async fn read_signal_topic(world: Rc<World>, control: SnapshotControl) {
    if !world.settings.has_signals {
        std::future::pending::<()>().await;
    }
    loop {
        // The stream is restarting, and accepts requests again afterwards.
        let Err(_) = try_read_signal_topic(&world, &control).await;
        world.cover("signal not stored");
        sleep(SIGNAL_PAUSE).await;
    }
}

async fn try_read_signal_topic(
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

/// Resumes reading at the end of a run.
pub(crate) async fn resume(world: &World, nodes: &[Rc<Node>]) {
    loop {
        sleep(RESUME_INTERVAL).await;
        if world.has_faults.get() {
            continue;
        }
        for control in nodes.iter().filter_map(|node| node.control()) {
            drop(timeout(RESUME_TIMEOUT, control.ask(SnapshotCommand::Resume)).await);
        }
    }
}
