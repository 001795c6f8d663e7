//! One run: a seed, from an empty world to the verdict.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use tokio::time::{Duration, sleep};

use crate::damage::{Damage, position_here};
use crate::events;
use crate::mutation::Mutation;
use crate::node::Node;
use crate::requests;
use crate::rules::{Breach, Rule};
use crate::verdict;
use crate::workload;
use crate::world::World;

/// How long a run may take to come to its end once nothing fails any more, on a clock that only moves when nothing else
/// can.
const PATIENCE: Duration = Duration::from_secs(300);

/// What was asked for a moment ago is stored in less, when nothing fails.
const QUIET: Duration = Duration::from_secs(5);

/// How often a server looks after its connections.
const TICK: Duration = Duration::from_millis(400);

/// What came of a run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) breaches: Vec<Breach>,
    pub(crate) trace: Vec<String>,
    /// Records that a consumer sees, each of which was checked.
    pub(crate) records: usize,
    /// Processes that were started.
    pub(crate) starts: u64,
    /// What happened how often.
    pub(crate) marks: BTreeMap<&'static str, u64>,
}

impl Report {
    pub(crate) fn breaks(&self, rule: Rule) -> bool {
        self.breaches.iter().any(|breach| breach.rule == rule)
    }
}

/// Plays a seed.
pub(crate) fn play(seed: u64, mutation: Option<Mutation>, is_traced: bool) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without sockets can be made");
    runtime.block_on(async {
        let world = Rc::new(World::new(seed, mutation, is_traced));
        let nodes = nodes(&world);
        let mut outcome = Box::pin(live(Rc::clone(&world), nodes.clone()));
        let outcome = std::future::poll_fn(|context| {
            // A panic is a finding of this seed; the others are still to be played.
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
            world.breach(Rule::NoPanic, || text);
        }
        let breaches = world.breaches.borrow().clone();
        let records = world.broker.borrow().visible().count();
        Report {
            breaches,
            trace: world.trace.events(),
            records,
            starts: nodes.iter().map(|node| node.starts.get()).sum(),
            marks: world.marks(),
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

async fn live(world: Rc<World>, nodes: Vec<Rc<Node>>) {
    world.trace.note("settings", || format!("{:?}", world.settings));
    for _ in 0..world.settings.transactions_before {
        workload::write_one(&world);
    }
    let second = nodes.get(1).map(Rc::clone);
    let second = async {
        if let Some(node) = second {
            Box::pin(node.run()).await;
        }
    };
    let everything = async {
        tokio::join!(story(&world, &nodes), Box::pin(nodes[0].run()), second);
    };
    let asking = async {
        tokio::join!(
            requests::ask(&world, &nodes[0]),
            async {
                if let Some(node) = nodes.get(1) {
                    requests::ask(&world, node).await;
                }
            },
            requests::signal(&world),
            requests::resume(&world, &nodes),
        );
    };
    tokio::select! {
        biased;
        outcome = tokio::time::timeout(PATIENCE * 10, everything) => {
            if outcome.is_err() {
                world.breach(Rule::ComesToItsEnd, || "processes do not stop".to_owned());
            }
        }
        () = keep_house(&world) => {}
        () = Box::pin(asking) => {}
    }
    let is_complete = !nodes.iter().all(|node| node.has_halted());
    verdict::judge(&world, is_complete);
}

/// Everything that happens; then nothing more does, and all must come to its end.
async fn story(world: &Rc<World>, nodes: &[Rc<Node>]) {
    tokio::join!(
        workload::write(Rc::clone(world)),
        events::happen(Rc::clone(world), nodes.to_vec())
    );
    world.is_stormy.set(false);
    world.trace.note("EVENT", || "nothing fails any more".to_owned());
    let is_over = || nodes.iter().all(|node| node.has_halted()) || is_delivered(world);
    let stays_over = async {
        loop {
            world.until(is_over).await;
            sleep(QUIET).await;
            if is_over() {
                return;
            }
        }
    };
    if tokio::time::timeout(PATIENCE, stays_over).await.is_err() {
        world.breach(Rule::ComesToItsEnd, || {
            let checkpoint = world.broker.borrow().checkpoint().cloned();
            format!("not everything is delivered, the checkpoint is {checkpoint:?}")
        });
    }
    world.is_over.set(true);
    for node in nodes {
        node.end();
    }
}

/// Whether the checkpoint says that everything is in Kafka, and the slot was told.
fn is_delivered(world: &World) -> bool {
    let broker = world.broker.borrow();
    let database = world.database.borrow();
    let Some(checkpoint) = broker.checkpoint() else {
        return false;
    };
    let Some(confirmed) = database.confirmed() else {
        return false;
    };
    let end = database.log.last().map(|last| last.next_lsn());
    let is_told = world.settings.replay_keep_bytes.is_some() || Some(confirmed) >= end;
    let signals = i64::try_from(world.requests.borrow().topic.len()).ok();
    let is_heard = !world.settings.signals || checkpoint.signals_read >= signals;
    let is_all = Some(position_here(&database, checkpoint)) >= end
        && checkpoint.snapshot.is_none()
        && is_told
        && is_heard;
    let known = broker.known_tables();
    let mut captured = database.tables.iter().filter(|table| table.captured);
    let is_all = is_all
        && database.running.is_none()
        && captured.all(|table| known.is_some_and(|known| known.contains(&table.oid)));
    drop(database);
    is_all && !world.damage().iter().any(Damage::must_halt)
}

/// What a server does on its own clock: it hears status updates, notices that clients are gone, and writes the slot to
/// disk now and then.
async fn keep_house(world: &World) {
    loop {
        sleep(TICK).await;
        let mut database = world.database.borrow_mut();
        if database.is_away {
            continue;
        }
        let gone = database.connections.iter().filter(|(_, connection)| {
            connection
                .noticed_at
                .is_some_and(|at| at <= tokio::time::Instant::now())
        });
        let gone: Vec<u64> = gone.map(|(number, _)| *number).collect();
        for number in &gone {
            database.disconnect(*number);
        }
        let heard = database
            .connections
            .values_mut()
            .filter_map(|connection| connection.confirmed.take());
        if let Some(confirmed) = heard.max() {
            database.confirm(confirmed);
        }
        if world.dice.one_in(3) && !database.is_held {
            database.commit_running();
        }
        if world.dice.one_in(4) {
            database.confirmed_on_disk = database.confirmed().unwrap_or(database.confirmed_on_disk);
        }
        drop(database);
        world.changed();
    }
}
