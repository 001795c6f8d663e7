//! The real Debezium and walcast on the same database, compared record by record.
//!
//! A scenario is an SQL file under `tests/conformance/`. Scenarios with the same settings share one connector of each kind
//! and one database, each in a schema of its own; both connectors stream before the first change. When all is played, the
//! topics are compared one by one: number and order of records, key, value, headers, tombstones, and the schemas that were
//! registered. Scenarios are played beside one release of Debezium at a time ([`Release`]), whose fields walcast then writes.
//! What must differ is masked by a short list ([`MASK`]); what differs on purpose is listed by the scenario.
//!
//! ```text
//! files ─▶ Scenario ─▶ groups ─▶ Pair (two connectors) ─▶ play, wait ─▶ Capture ×2 ─▶ differences ─▶ Outcome ─▶ report
//! ```

mod capture;
mod difference;
mod expectation;
mod group;
mod mask;
mod outcome;
mod pair;
mod release;
mod report;
mod scenario;
mod script;
mod servers;

pub use difference::Difference;
pub use mask::MASK;
pub use outcome::{Outcome, Verdict};
pub use release::Release;
pub use report::{DOCUMENT, document, failures, stale_document, write_document};
pub use scenario::{Expected, Scenario, Settings};

use servers::Servers;

/// Plays the scenarios whose name contains the text (all without one) beside a release, and compares what the two connectors made
/// of them.
///
/// Outcomes come in the order of the scenarios' names.
pub async fn run(release: Release, filter: Option<&str>) -> Vec<Outcome> {
    let chosen = Scenario::all_beside(release)
        .into_iter()
        .filter(|scenario| filter.is_none_or(|text| scenario.name.contains(text)));
    let chosen: Vec<Scenario> = chosen.collect();
    assert!(
        !chosen.is_empty(),
        "no scenario under {} has {:?} in its name",
        scenario::FOLDER,
        filter.unwrap_or_default()
    );
    play(release, chosen).await
}

/// Plays the part of the scenarios that a test can afford beside a release: those of default settings, which share one pair of
/// connectors, and those of replication origins.
pub async fn run_part(release: Release) -> Vec<Outcome> {
    let chosen = Scenario::all_beside(release).into_iter();
    let chosen = chosen.filter(|scenario| {
        let is_shared = scenario.settings == Settings::default() && !scenario.alone;
        is_shared || scenario.family() == ORIGINS
    });
    play(release, chosen.collect()).await
}

/// The family of scenarios with replication origins, which only later releases send.
const ORIGINS: &str = "origins";

async fn play(release: Release, scenarios: Vec<Scenario>) -> Vec<Outcome> {
    let groups = group::split(scenarios);
    let servers = Servers::start(release).await;
    let mut outcomes = group::play_all(servers, groups).await;
    outcomes.sort_by(|left, right| left.scenario.name.cmp(&right.scenario.name));
    outcomes
}
