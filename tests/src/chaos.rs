//! Real servers under everything that can happen to them at once, while a load writes: two connectors, a source, three
//! brokers, a registry, and the network between them. At the end Kafka must hold the source's journal: the same changes, once,
//! in order.
//!
//! What happens is drawn from a deck that holds each fault once, shuffled again when it is empty; when things happen depends on
//! the machine, so a seed repeats the choices of a run and not its interleaving.

mod deck;
mod fault;
mod pair;
mod report;
mod source;
mod stage;

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;
use walcast_testbed::{LoadOptions, Shop, wait_until};

use deck::Deck;
use fault::Fault;
use pair::Pair;
pub use report::Report;
use stage::Stage;

/// How often processes are looked at.
const LOOK: Duration = Duration::from_millis(50);

/// How many faults may last at a time, each of another part.
const AT_ONCE: usize = 2;

/// After so many faults everything is repaired, and what was written must arrive.
const FAULTS_BETWEEN_BREATHS: u32 = 10;

/// How long recovery may take when nothing fails any more. Generous: only a fault of ours reaches it.
const RECOVERY_LIMIT: Duration = Duration::from_secs(600);

/// How long a new standby may take until it could take over. It waits for the connectors, which fall behind on a machine that
/// is busy with other things; only a standby that never copies the slot reaches it.
const WHOLE_LIMIT: Duration = Duration::from_secs(600);

/// What is to be gone through.
#[derive(Clone, Copy, Debug)]
pub struct Ordeal {
    /// What choices follow from.
    pub seed: u64,
    /// How long.
    pub length: Length,
    /// Row changes a second that the load writes.
    pub writes_per_second: u32,
}

/// How long an ordeal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Until every fault was there once.
    EachOnce,
    /// At least so long.
    For(Duration),
}

/// A fault that lasts.
struct Lasting {
    fault: Fault,
    until: Instant,
    /// Since when it is repaired; the servers may not have recovered yet.
    repaired: Option<Instant>,
}

/// Plays it. `report_event` gets each event, with the time since the beginning.
///
/// Panics when a connector ends as it must not, or when what was written does not arrive after everything was repaired; the
/// report's verdict is left to the caller.
pub async fn play(ordeal: &Ordeal, mut report_event: impl FnMut(Duration, &str)) -> Report {
    let mut stage = Stage::set().await;
    let shop = Shop::create(stage.postgres()).await.unwrap();
    let mut pair = Pair::start(&stage.config()).await;
    stage.await_standby().await;
    let load = LoadOptions {
        writes_per_second: Some(ordeal.writes_per_second),
        seed: ordeal.seed,
        ..LoadOptions::default()
    };
    let load = stage.load(shop, &load);
    let mut chance = StdRng::seed_from_u64(ordeal.seed);
    let mut deck = Deck::shuffled(&mut chance);
    let mut report = Report::default();
    let mut lasting: Vec<Lasting> = Vec::new();
    let began = Instant::now();
    let (mut next, mut since_breath) = (began, 0);
    loop {
        pair.mind(&mut report);
        for news in report.news.drain(..) {
            report_event(began.elapsed(), &news);
        }
        let mut over = Vec::new();
        for (place, one) in lasting.iter_mut().enumerate() {
            if one.repaired.is_none() && one.until <= Instant::now() {
                stage.repair(one.fault, &mut pair).await;
                report_event(began.elapsed(), &format!("repaired: {}", one.fault));
                one.repaired = Some(Instant::now());
            }
            let Some(repaired) = one.repaired else { continue };
            if stage.is_whole(one.fault).await {
                if one.fault.leaves_traces() {
                    let event = format!(
                        "whole again, {:.1} s after it was repaired: {}",
                        repaired.elapsed().as_secs_f64(),
                        one.fault
                    );
                    report_event(began.elapsed(), &event);
                }
                over.push(place);
            } else if repaired.elapsed() > WHOLE_LIMIT {
                panic!(
                    "{}: the standby has no copy of the slot\n{}",
                    one.fault,
                    pair.logs()
                );
            }
        }
        for place in over.into_iter().rev() {
            lasting.remove(place);
        }
        let is_over = match ordeal.length {
            Length::EachOnce => deck.is_through(),
            Length::For(length) => began.elapsed() >= length,
        };
        if is_over || since_breath >= FAULTS_BETWEEN_BREATHS {
            if lasting.is_empty() {
                let recovered = recover(&stage, &mut pair, &mut report).await;
                let event = format!(
                    "all is well, all delivered after {:.1} s",
                    recovered.as_secs_f64()
                );
                report_event(began.elapsed(), &event);
                report.recoveries.push(recovered);
                since_breath = 0;
                if is_over {
                    break;
                }
            }
        } else if Instant::now() >= next && lasting.len() < AT_ONCE {
            let is_free = |fault: &Fault| lasting.iter().all(|one| one.fault.goes_with(fault));
            if let Some(fault) = deck.draw(&mut chance, is_free) {
                let hold = fault.hold(&mut chance);
                report_event(
                    began.elapsed(),
                    &format!("{fault}, for {:.1} s", hold.as_secs_f64()),
                );
                stage.inflict(fault, &mut pair, &mut report).await;
                report.count(fault);
                since_breath += 1;
                lasting.push(Lasting {
                    fault,
                    until: Instant::now() + hold,
                    repaired: None,
                });
                next = Instant::now() + Duration::from_millis(chance.random_range(0..1500));
            }
        }
        tokio::time::sleep(LOOK).await;
    }
    report.length = began.elapsed();
    report.load = load.stop().await.unwrap();
    judge(&stage, &mut pair, &mut report).await;
    report
}

/// Waits until all that is in the source now is in Kafka; how long that took.
async fn recover(stage: &Stage, pair: &mut Pair, report: &mut Report) -> Duration {
    let began = Instant::now();
    let fence = stage.end_of_log().await;
    let recovered = wait_until(
        "delivery after everything was repaired",
        RECOVERY_LIMIT,
        async || {
            pair.mind(report);
            Ok(pair.checkpointed().await >= fence)
        },
    );
    if let Err(error) = recovered.await {
        panic!("{error}\n{}", pair.logs());
    }
    began.elapsed()
}

/// Compares Kafka with the journal.
async fn judge(stage: &Stage, pair: &mut Pair, report: &mut Report) {
    recover(stage, pair, report).await;
    let mut audit = stage.audit(&Shop::TABLES);
    let delivered = audit.wait_until_delivered(stage.postgres(), RECOVERY_LIMIT).await;
    pair.stop().await;
    report.verdict = audit.verdict(stage.postgres()).await.unwrap();
    report.log = pair.logs();
    if let Err(error) = delivered {
        panic!("{error}\n{report}\n{}", report.log);
    }
}
