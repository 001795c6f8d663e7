//! Scenarios that can share one pair of connectors, and playing them.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_postgres::Client;

use super::capture::{self, Topics};
use super::outcome::{self, Outcome};
use super::pair::Pair;
use super::scenario::{Expected, Scenario, Settings};
use super::script::Statement;
use super::servers::Servers;

/// How many groups are played at once: their connectors start together in one Java process on a machine of a few cores.
const GROUPS_AT_ONCE: usize = 3;

/// Groups of equal settings, scenarios that want to be alone in one of their own.
pub(super) fn split(scenarios: Vec<Scenario>) -> Vec<Vec<Scenario>> {
    let mut groups: BTreeMap<(Settings, Option<String>), Vec<Scenario>> = BTreeMap::new();
    for scenario in scenarios {
        let own = scenario.alone.then(|| scenario.name.clone());
        groups
            .entry((scenario.settings.clone(), own))
            .or_default()
            .push(scenario);
    }
    groups.into_values().collect()
}

/// Plays all groups, some at a time. One that breaks off does not keep the others from their end.
pub(super) async fn play_all(servers: Arc<Servers>, groups: Vec<Vec<Scenario>>) -> Vec<Outcome> {
    let count = groups.len();
    let places = Arc::new(Semaphore::new(GROUPS_AT_ONCE));
    let runtime = Handle::current();
    let mut playing = JoinSet::new();
    for (index, scenarios) in groups.into_iter().enumerate() {
        let (servers, places, runtime) = (Arc::clone(&servers), Arc::clone(&places), runtime.clone());
        // A thread for each: topics are read by calls that block.
        playing.spawn_blocking(move || {
            let (number, begun) = (index + 1, Instant::now());
            let played = catch_unwind(AssertUnwindSafe(|| {
                runtime.block_on(async {
                    let _place = places.acquire_owned().await.expect("it is never closed");
                    Box::pin(play(servers, number, scenarios.clone())).await
                })
            }));
            let seconds = begun.elapsed().as_secs_f32();
            eprintln!(
                "group {number} of {count}: {} scenarios, {seconds:.1} s",
                scenarios.len()
            );
            played.unwrap_or_else(|panic| outcome::of_broken(scenarios, &*panic))
        });
    }
    playing.join_all().await.into_iter().flatten().collect()
}

async fn play(servers: Arc<Servers>, number: usize, scenarios: Vec<Scenario>) -> Vec<Outcome> {
    let settings = scenarios.first().map(|scenario| scenario.settings.clone());
    let mut pair = Pair::prepare(servers, number, &settings.unwrap_or_default()).await;
    let mut sessions = Sessions::default();
    for scenario in &scenarios {
        let own = format!("CREATE SCHEMA {}", scenario.namespace());
        pair.client().await.batch_execute(&own).await.unwrap();
        sessions.run(&pair, scenario, &scenario.setup).await;
    }
    pair.start().await;
    let rounds = scenarios.iter().map(|scenario| scenario.rounds.len()).max();
    let mut ended = None;
    for round in 0..rounds.unwrap_or_default() {
        for scenario in &scenarios {
            if let Some(statements) = scenario.rounds.get(round) {
                sessions.run(&pair, scenario, statements).await;
            }
            if let Some(rows) = scenario.reads.get(&round) {
                pair.await_reads(*rows).await;
            }
        }
        // A scenario in which one of them ends is alone, and is over with that.
        match scenarios.first().map(|scenario| &scenario.expected) {
            Some(Expected::Halts { .. }) => ended = Some(pair.await_halt().await),
            Some(Expected::Fails { .. }) => ended = Some(pair.await_failure().await),
            _ => pair.await_both().await,
        }
        if ended.is_some() {
            break;
        }
    }
    if let Some(words) = ended {
        pair.stop().await;
        return scenarios
            .into_iter()
            .map(|scenario| outcome::of_end(scenario, &words))
            .collect();
    }
    let prefixes = pair.prefixes();
    let debezium = capture::topics(pair.servers(), &prefixes.debezium).await;
    let walcast = capture::topics(pair.servers(), &prefixes.walcast).await;
    pair.stop().await;
    let (mut debezium, mut walcast) = (share(&scenarios, debezium), share(&scenarios, walcast));
    let judged = scenarios.into_iter().map(|scenario| {
        let take = |of: &mut HashMap<String, Topics>| of.remove(&scenario.name).unwrap_or_default();
        let (theirs, ours) = (take(&mut debezium), take(&mut walcast));
        outcome::judge(scenario, &theirs, &ours)
    });
    judged.collect()
}

/// The topics of each scenario, by its name. The schema separates them, and is then cut off.
fn share(scenarios: &[Scenario], topics: Topics) -> HashMap<String, Topics> {
    let mut shares: HashMap<String, Topics> = HashMap::new();
    for (name, topic) in topics {
        let (owner, rest) = owner(scenarios, &name);
        shares.entry(owner.name.clone()).or_default().insert(rest, topic);
    }
    shares
}

fn owner<'s>(scenarios: &'s [Scenario], topic: &str) -> (&'s Scenario, String) {
    let beginning = |scenario: &&Scenario| topic.starts_with(&scenario.namespace());
    let longest = scenarios
        .iter()
        .filter(beginning)
        .max_by_key(|scenario| scenario.namespace().len());
    let owner = match (longest, scenarios) {
        (Some(owner), _) | (None, [owner]) => owner,
        _ => panic!("topic {topic:?} names no scenario by its schema: the scenario needs `--! alone`"),
    };
    let rest = topic.strip_prefix(&format!("{}.", owner.namespace()));
    (owner, rest.unwrap_or(topic).to_owned())
}

/// Open sessions by scenario and name.
#[derive(Default)]
struct Sessions {
    clients: HashMap<(String, String), Client>,
}

impl Sessions {
    async fn run(&mut self, pair: &Pair, scenario: &Scenario, statements: &[Statement]) {
        for Statement { session, sql } in statements {
            let key = (scenario.name.clone(), session.clone());
            if !self.clients.contains_key(&key) {
                let client = pair.client().await;
                let path = format!("SET search_path = {}, public", scenario.namespace());
                client.batch_execute(&path).await.unwrap();
                self.clients.insert(key.clone(), client);
            }
            if let Err(error) = self.clients[&key].batch_execute(sql).await {
                panic!("{}: {sql}\n{error:?}", scenario.name);
            }
        }
    }
}
