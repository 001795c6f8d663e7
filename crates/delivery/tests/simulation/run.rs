//! One run: a seed, from an empty world to the verdict.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use tokio::time::{Duration, sleep};

use crate::broker::Broker;
use crate::damage::{Damage, position_here};
use crate::database::Database;
use crate::events;
use crate::mutation::Mutation;
use crate::node::Node;
use crate::partitions;
use crate::repairs;
use crate::replays;
use crate::requests;
use crate::rules::{Rule, Violation};
use crate::verdict;
use crate::workload;
use crate::world::World;

/// Limit of the rest of a run after faults have stopped, on a paused clock that advances only when all tasks are idle.
const TIMEOUT: Duration = Duration::from_secs(300);

/// Time within which a request is stored when there are no faults.
const QUIET_PERIOD: Duration = Duration::from_secs(5);

/// Interval of the server's periodic work.
const TICK: Duration = Duration::from_millis(400);

/// The result of a run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) violations: Vec<Violation>,
    pub(crate) trace: Vec<String>,
    /// Number of records that a consumer sees, each of which was checked.
    pub(crate) records: usize,
    /// Number of processes that were started.
    pub(crate) starts: u64,
    /// Number of occurrences of each covered situation.
    pub(crate) coverage: BTreeMap<&'static str, u64>,
}

impl Report {
    pub(crate) fn breaks(&self, rule: Rule) -> bool {
        self.violations.iter().any(|violation| violation.rule == rule)
    }
}

/// Runs a seed.
pub(crate) fn play(seed: u64, mutation: Option<Mutation>, is_traced: bool) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without sockets can be made");
    runtime.block_on(async {
        let world = Rc::new(World::new(seed, mutation, is_traced));
        let nodes = nodes(&world);
        let mut outcome = Box::pin(run_world(Rc::clone(&world), nodes.clone()));
        let outcome = std::future::poll_fn(|context| {
            // A panic is a finding of this seed; the other seeds still run.
            match catch_unwind(AssertUnwindSafe(|| outcome.as_mut().poll(context))) {
                Ok(poll) => poll.map(Ok),
                Err(panic) => std::task::Poll::Ready(Err(panic)),
            }
        });
        if let Err(panic) = outcome.await {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text
                .or(panic.downcast_ref::<&str>().copied())
                .unwrap_or("no text")
                .to_owned();
            world.report_violation(Rule::NoPanic, || text);
        }
        let violations = world.violations.borrow().clone();
        let records = world.broker.borrow().visible().count();
        Report {
            violations,
            trace: world.trace.events(),
            records,
            starts: nodes.iter().map(|node| node.starts.get()).sum(),
            coverage: world.coverage(),
        }
    })
}

fn nodes(world: &Rc<World>) -> Vec<Rc<Node>> {
    let mut nodes = vec![Rc::new(Node::new("one", world))];
    if world.settings.has_standby {
        nodes.push(Rc::new(Node::new("two", world)));
    }
    nodes
}

async fn run_world(world: Rc<World>, nodes: Vec<Rc<Node>>) {
    world.trace.note("settings", || format!("{:?}", world.settings));
    for _ in 0..world.settings.transactions_before {
        workload::write_one(&world);
    }
    if world.settings.has_partitions {
        for _ in 0..world.settings.transactions_before {
            partitions::change(&world, &world.partition_dice);
        }
    }
    let second = nodes.get(1).map(Rc::clone);
    let second = async {
        if let Some(node) = second {
            Box::pin(node.run()).await;
        }
    };
    let scenario = async {
        tokio::join!(run_scenario(&world, &nodes), Box::pin(nodes[0].run()), second);
    };
    let clients = async {
        tokio::join!(
            requests::send_requests(&world, &nodes[0]),
            async {
                if let Some(node) = nodes.get(1) {
                    requests::send_requests(&world, node).await;
                }
            },
            requests::send_signals(&world),
            requests::resume(&world, &nodes),
            repairs::run(&world, &nodes),
            replays::run(&world),
        );
    };
    tokio::select! {
        biased;
        outcome = tokio::time::timeout(TIMEOUT * 10, scenario) => {
            if outcome.is_err() {
                world.report_violation(Rule::RunCompletes, || "processes do not stop".to_owned());
            }
        }
        () = run_server(&world) => {}
        () = Box::pin(clients) => {}
    }
    let is_complete = !nodes.iter().all(|node| node.has_halted());
    verdict::check(&world, is_complete);
}

/// Runs the workload and the events, then waits without faults until all changes are delivered.
async fn run_scenario(world: &Rc<World>, nodes: &[Rc<Node>]) {
    tokio::join!(
        workload::write(Rc::clone(world)),
        partitions::run(Rc::clone(world)),
        events::run(Rc::clone(world), nodes.to_vec())
    );
    world.has_faults.set(false);
    world.trace.note("EVENT", || "faults have stopped".to_owned());
    let is_over = || nodes.iter().all(|node| node.has_halted()) || is_delivered(world);
    let stays_over = async {
        loop {
            world.until(is_over).await;
            sleep(QUIET_PERIOD).await;
            if is_over() {
                return;
            }
        }
    };
    if tokio::time::timeout(TIMEOUT, stays_over).await.is_err() {
        world.report_violation(Rule::RunCompletes, || {
            let checkpoint = world.broker.borrow().checkpoint().cloned();
            format!("changes are undelivered, the checkpoint is {checkpoint:?}")
        });
    }
    world.is_finished.set(true);
    for node in nodes {
        node.end();
    }
}

/// Whether the checkpoint covers all changes, requests and tables, and is confirmed to the slot; and whether the commands are done.
fn is_delivered(world: &World) -> bool {
    let broker = world.broker.borrow();
    let database = world.database.borrow();
    let Some(checkpoint) = broker.checkpoint() else {
        return false;
    };
    let Some(confirmed) = database.confirmed() else {
        return false;
    };
    let end = database.wal.last().map(|last| last.next_lsn());
    let is_confirmed = world.settings.replay_retention_bytes.is_some() || Some(confirmed) >= end;
    let signals = i64::try_from(world.requests.borrow().topic.len()).ok();
    let has_read_signals = !world.settings.has_signals || checkpoint.signals_read >= signals;
    let is_all = Some(position_here(&database, checkpoint)) >= end
        && checkpoint.snapshot.is_none()
        && is_confirmed
        && has_read_signals;
    let known = broker.known_tables();
    let mut captured = database.tables.iter().filter(|table| table.captured);
    let is_all = is_all
        && world.are_replays_done.get()
        && world.is_repaired.get()
        && database.running.is_none()
        && captured.all(|table| known.is_some_and(|known| known.contains(&table.oid)))
        && (!world.settings.has_partitions || knows_leaves(&broker, &database));
    drop(database);
    is_all && !world.damage().iter().any(Damage::must_halt)
}

/// Whether the leaves were stored as they are now.
fn knows_leaves(broker: &Broker, database: &Database) -> bool {
    let known = broker.known_partitions();
    let mut leaves = database.leaves.attached();
    // The partitioned table has an entry too.
    known.len() == 1 + database.leaves.attached().count()
        && leaves.all(|leaf| {
            let known = known.get(&leaf.oid);
            known.is_some_and(|known| known.attached_by == Some(leaf.attached_by) && known.file == leaf.file)
        })
}

/// Periodic work of the server: it processes status updates, notices lost clients, commits the running transaction, and writes the
/// slot to disk.
async fn run_server(world: &World) {
    loop {
        sleep(TICK).await;
        let mut database = world.database.borrow_mut();
        if database.is_unavailable {
            continue;
        }
        let lost = database.connections.iter().filter(|(_, connection)| {
            connection
                .noticed_at
                .is_some_and(|at| at <= tokio::time::Instant::now())
        });
        let lost: Vec<u64> = lost.map(|(number, _)| *number).collect();
        for number in &lost {
            database.disconnect(*number);
        }
        let received = database
            .connections
            .values_mut()
            .filter_map(|connection| connection.confirmed.take());
        if let Some(confirmed) = received.max() {
            database.confirm(confirmed);
        }
        if world.dice.one_in(3) && !database.is_read_only {
            database.commit_running();
        }
        if world.dice.one_in(4) {
            database.confirmed_on_disk = database.confirmed().unwrap_or(database.confirmed_on_disk);
        }
        drop(database);
        world.changed();
    }
}
