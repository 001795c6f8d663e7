//! Replays of stored windows beside the connector, by processes that are killed, suspended, interrupted, started twice and cancelled.
//!
//! The copier of the product runs over a modelled port. A replay is planned as the command plans it: from what a consumer sees now.

use std::collections::VecDeque;
use std::future::pending;
use std::rc::Rc;

use tokio::time::{Duration, Instant, sleep};
use walcast_delivery::{
    BoxedPortError, LeftOffsets, MissingRecords, ReadRecord, ReplayCopier, ReplayEnded, ReplayLimits,
    ReplayPort, ReplayProgress, ReplayRange, ReplayState, ReplayTopic,
};
use walcast_pgoutput::Lsn;

use crate::broker::replays::{PARTITIONS, ReplayPlan, position_of};
use crate::broker::{Broker, State, Stored};
use crate::fault::SimFault;
use crate::mutation::Mutation;
use crate::process::Process;
use crate::rules::Rule;
use crate::world::{System, World};

/// Largest number of replays in a run.
const REPLAYS_MAX: u64 = 4;
/// Longest pause before a replay.
const PAUSE_MAX_MS: u64 = 5_000;
/// Longest pause before a replay is continued.
const CONTINUE_MAX_MS: u64 = 2_000;
/// Longest suspension of a process.
const FROZEN_MAX_MS: u64 = 5_000;
/// Longest time until a process receives SIGTERM.
const STOP_MAX_MS: u64 = 2_000;
/// Largest number of copies in a transaction.
const BATCH_MAX: usize = 6;
/// Size of every copy: the number of copies alone limits a transaction here.
const COPY_BYTES: usize = 1;

/// Runs the replays of a run, one after the other.
pub(crate) async fn run(world: &Rc<World>) {
    if !world.settings.has_replays {
        return;
    }
    for number in 0..1 + world.dice.roll(REPLAYS_MAX) {
        sleep(Duration::from_millis(world.dice.roll(PAUSE_MAX_MS))).await;
        let first = Box::pin(run_processes(world, number, "replay"));
        if world.dice.one_in(2) {
            tokio::join!(first, Box::pin(run_processes(world, number, "same replay")));
        } else {
            first.await;
        }
    }
    world.are_replays_done.set(true);
    world.changed();
}

/// Starts processes with a replay until it has ended, as an operator repeats the command.
async fn run_processes(world: &Rc<World>, number: u64, name: &'static str) {
    while !has_ended(world, number) {
        let chance = |sides| world.has_faults.get() && world.dice.one_in(sides);
        let calls = chance(3).then(|| world.dice.roll(40));
        let polls = chance(4).then(|| world.dice.roll(200));
        let cancels = chance(16);
        let process = Rc::new(Process::new(name, calls, None));
        let client = ReplayClient::new(world, &process, number);
        let outcome = match cancels {
            true => process.run(Box::pin(cancel(client)), polls).await,
            false => process.run(Box::pin(copy(client)), polls).await,
        };
        world.trace.note(name, || format!("{number} ends: {outcome:?}"));
        match outcome {
            None => world.cover("replay killed"),
            Some(Ok(Some(ReplayEnded::Interrupted))) => world.cover("replay interrupted"),
            Some(Err(fault)) if fault.is_fenced() => world.cover("replay fenced"),
            Some(_) => {}
        }
        sleep(Duration::from_millis(1 + world.dice.roll(CONTINUE_MAX_MS))).await;
    }
}

fn has_ended(world: &World, number: u64) -> bool {
    let broker = world.broker.borrow();
    let stored = broker.stored_replay(number);
    stored.is_some_and(|stored| stored.progress.state != ReplayState::Unfinished)
}

/// Begins a replay, or continues it; `None` if it has ended.
async fn copy(mut client: ReplayClient) -> Result<Option<ReplayEnded>, BoxedPortError> {
    let world = Rc::clone(&client.world);
    let plan = match client.stored().await? {
        Some(_) => None,
        None => Some(client.draw_plan().await?),
    };
    let progress = match (client.open().await?, plan) {
        // Another process may have begun it meanwhile.
        (Some(progress), _) => {
            world.cover("replay continued");
            progress
        }
        (None, Some(plan)) => client.begin(plan).await?,
        (None, None) => return Err(SimFault::Permanent("a stored replay is gone").into()),
    };
    if progress.state != ReplayState::Unfinished {
        return Ok(None);
    }
    let topics = client.plan.as_ref().map(|plan| plan.topics.clone());
    let limits = ReplayLimits {
        bytes: usize::MAX,
        records: 1 + world.dice.count(BATCH_MAX),
        interval: Duration::from_millis(500),
    };
    let stops_after = (world.has_faults.get() && world.dice.one_in(4)).then(|| world.dice.roll(STOP_MAX_MS));
    let stop = async move {
        match stops_after {
            Some(after_ms) => sleep(Duration::from_millis(after_ms)).await,
            None => pending().await,
        }
    };
    let mut copier = ReplayCopier::new(client, topics.unwrap_or_default(), progress, limits);
    let ended = copier.run(stop).await?;
    if ended == ReplayEnded::Complete {
        world.cover("replay complete");
    }
    Ok(Some(ended))
}

/// Cancels a replay: behind the fence, no process with it writes any more.
async fn cancel(mut client: ReplayClient) -> Result<Option<ReplayEnded>, BoxedPortError> {
    if let Some(mut progress) = client.open().await?
        && progress.state == ReplayState::Unfinished
    {
        progress.state = ReplayState::Cancelled;
        client.send(&[], Some(&progress)).await?;
        client.world.cover("replay cancelled");
    }
    Ok(None)
}

/// The topics and the producer of a replay, as a process uses them.
struct ReplayClient {
    world: Rc<World>,
    process: Rc<Process>,
    number: u64,
    /// `None` when the producer must be opened: before the first use, or because its state is unknown.
    epoch: Option<u64>,
    plan: Option<Rc<ReplayPlan>>,
    /// The records that are left of the range, with their copies.
    left: VecDeque<(i64, Option<Stored>)>,
}

impl ReplayClient {
    fn new(world: &Rc<World>, process: &Rc<Process>, number: u64) -> Self {
        Self {
            world: Rc::clone(world),
            process: Rc::clone(process),
            number,
            epoch: None,
            plan: None,
            left: VecDeque::new(),
        }
    }

    /// Calls the broker.
    async fn call<T>(
        &self,
        name: &'static str,
        effect: impl FnOnce(&mut Broker) -> Result<T, SimFault>,
    ) -> Result<T, BoxedPortError> {
        let (world, process) = (&self.world, &self.process);
        world.wait_available(process, System::Broker).await?;
        let effect = || effect(&mut world.broker.borrow_mut());
        world.call(process, name, effect).await
    }

    /// Reads what is stored of the replay.
    async fn stored(&mut self) -> Result<Option<ReplayProgress>, BoxedPortError> {
        let number = self.number;
        let read = |broker: &mut Broker| Ok(broker.stored_replay(number).cloned());
        let stored = self.call("read replays", read).await?;
        self.plan = stored.as_ref().map(|stored| Rc::clone(&stored.plan));
        Ok(stored.map(|stored| stored.progress))
    }

    /// Fences other processes with the replay, and reads what is stored of it then.
    async fn open(&mut self) -> Result<Option<ReplayProgress>, BoxedPortError> {
        self.epoch = None;
        let (number, arrived) = (self.number, self.world.dice.one_in(2));
        let fence = |broker: &mut Broker| Ok(broker.fence_replay(number, arrived));
        let epoch = self.call("fence a replay", fence).await?;
        let progress = self.stored().await?;
        self.epoch = Some(epoch);
        Ok(progress)
    }

    /// Stores a new replay, with nothing sent.
    async fn begin(&mut self, plan: ReplayPlan) -> Result<ReplayProgress, BoxedPortError> {
        let progress = ReplayProgress::begun(plan.topics.len(), 0);
        self.plan = Some(Rc::new(plan));
        self.send(&[], Some(&progress)).await?;
        Ok(progress)
    }

    async fn draw_plan(&self) -> Result<ReplayPlan, BoxedPortError> {
        let (world, number) = (Rc::clone(&self.world), self.number);
        let plan = |broker: &mut Broker| Ok(draw_plan(&world, broker, number));
        self.call("plan a replay", plan).await
    }

    /// Sends copies and progress in one transaction; only one of them is a mutation.
    async fn send(
        &mut self,
        copies: &[Stored],
        progress: Option<&ReplayProgress>,
    ) -> Result<(), BoxedPortError> {
        // The state of the producer is unknown until the commit returns.
        let epoch = self.epoch.take();
        let epoch = epoch.ok_or(SimFault::Transient("the producer is not open"))?;
        let world = Rc::clone(&self.world);
        if world.has_faults.get() && world.dice.one_in(12) {
            let frozen_ms = world.dice.roll(FROZEN_MAX_MS);
            let until = Instant::now() + Duration::from_millis(frozen_ms);
            self.process.freeze_until(until);
        }
        // The commit took effect, or not, or is still in flight.
        let in_doubt = world.draws_fault().then(|| {
            let states = [State::Committed, State::Open, State::Committing];
            *world.dice.pick(&states)
        });
        let (number, plan) = (self.number, self.plan.clone());
        world.trace.note(self.process.name, || {
            let ids: Vec<&str> = copies.iter().map(|copy| copy.id.as_str()).collect();
            format!(
                "{number} sends [{}], doubt {in_doubt:?}, place {:?}",
                ids.join(" "),
                progress.map(|progress| (progress.topic, progress.partition, progress.last))
            )
        });
        let write = |broker: &mut Broker| {
            broker.admit_replay(number, epoch)?;
            let progress = plan.as_ref().zip(progress);
            broker.write_replay(number, copies, progress, in_doubt.unwrap_or(State::Committed));
            Ok(())
        };
        self.call("commit of a replay", write).await?;
        if in_doubt.is_some() {
            world.cover("replay in doubt");
            return Err(SimFault::Transient("the commit is in doubt").into());
        }
        self.epoch = Some(epoch);
        Ok(())
    }

    /// Continues as if it had not been fenced, which no real producer can.
    fn ignore_fence(&mut self) {
        self.epoch = Some(self.world.broker.borrow().replay_epoch(self.number));
    }
}

impl ReplayPort for ReplayClient {
    type Copy = Stored;
    type Error = BoxedPortError;

    async fn offsets(
        &mut self,
        topic: &ReplayTopic,
        range: ReplayRange,
    ) -> Result<LeftOffsets, BoxedPortError> {
        let offsets = |broker: &mut Broker| {
            Ok(LeftOffsets {
                first: 0,
                end: broker.end_of(&topic.topic, range.partition),
            })
        };
        self.call("offsets", offsets).await
    }

    async fn accept(
        &mut self,
        topic: &ReplayTopic,
        range: ReplayRange,
        missing: MissingRecords,
    ) -> Result<(), BoxedPortError> {
        // No record is removed here.
        self.world.report_violation(Rule::ReplaysAreExact, || {
            format!("{missing:?} of {range:?} in {}", topic.topic)
        });
        Ok(())
    }

    async fn read(&mut self, topic: &ReplayTopic, range: ReplayRange) -> Result<(), BoxedPortError> {
        let plan = self.plan.clone();
        let read = |broker: &mut Broker| {
            let records = broker.committed_of(&topic.topic, range.partition);
            let of_range = records.filter(|(offset, _)| (range.from..range.to).contains(offset));
            let copies = of_range.map(|(offset, record)| {
                let is_contained = plan.as_ref().is_some_and(|plan| plan.contains(record));
                let copy = is_contained.then(|| Stored {
                    topic: topic.target.clone(),
                    ..record.clone()
                });
                (offset, copy)
            });
            Ok(copies.collect())
        };
        self.left = self.call("read a range", read).await?;
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<ReadRecord<Stored>>, BoxedPortError> {
        if self.world.dice.one_in(4) {
            self.world.network_delay(&self.process).await;
            if self.world.draws_fault() {
                return Err(SimFault::Transient("connection lost").into());
            }
        }
        let next = self.left.pop_front();
        Ok(next.map(|(offset, copy)| ReadRecord {
            offset,
            copy: copy.map(|copy| (copy, COPY_BYTES)),
        }))
    }

    async fn commit(&mut self, copies: Vec<Stored>, progress: &ReplayProgress) -> Result<(), BoxedPortError> {
        match self.world.mutation {
            Some(Mutation::ProgressBeforeCopies) => {
                self.send(&[], Some(progress)).await?;
                self.send(&copies, None).await
            }
            Some(Mutation::ProgressAfterCopies) => {
                self.send(&copies, None).await?;
                self.send(&[], Some(progress)).await
            }
            Some(Mutation::FencedReplayContinues) => {
                let sent = self.send(&copies, Some(progress)).await;
                if sent.as_ref().is_err_and(BoxedPortError::is_fenced) {
                    self.ignore_fence();
                    return self.send(&copies, Some(progress)).await;
                }
                sent
            }
            _ => self.send(&copies, Some(progress)).await,
        }
    }
}

/// Draws a window between two positions that a consumer sees, and the topics; without a record there is no window.
fn draw_plan(world: &World, broker: &Broker, number: u64) -> ReplayPlan {
    let dice = &world.dice;
    let positions: Vec<Lsn> = broker
        .visible()
        .filter_map(|record| position_of(&record.id))
        .collect();
    let mut plan = ReplayPlan {
        from: Lsn::INVALID,
        to: None,
        topics: Vec::new(),
    };
    if positions.is_empty() {
        return plan;
    }
    let is_same = dice.one_in(3);
    if is_same {
        world.cover("replay into the same topics");
    }
    plan.from = *dice.pick(&positions);
    plan.to = dice.one_in(2).then(|| *dice.pick(&positions).max(&plan.from));
    let mut tables = world.database.borrow().captured_names();
    if dice.one_in(3) {
        tables = vec![dice.pick(&tables).clone()];
    }
    for table in tables {
        let topic = format!("shop.{}.{}", table.namespace, table.name);
        let ranges = (0..PARTITIONS).map(|partition| {
            let mut records = broker.committed_of(&topic, partition);
            let first = records.find(|(_, record)| plan.contains(record));
            let to = broker.end_of(&topic, partition);
            ReplayRange {
                partition,
                from: first.map_or(to, |(offset, _)| offset),
                to,
            }
        });
        let partitions = ranges.filter(|range| range.from < range.to).collect();
        let target = match is_same {
            true => topic.clone(),
            false => format!("replay-{number}.{topic}"),
        };
        plan.topics.push(ReplayTopic {
            topic,
            target,
            partitions,
        });
    }
    plan
}
