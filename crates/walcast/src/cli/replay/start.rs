//! `walcast replay start`: begins a replay, or continues it.

use anyhow::Context;
use tracing::{info, warn};
use walcast_delivery::{ReplayEnded, ReplayState};
use walcast_kafka::{ReplaySink, SideTopic, SideTopics, StoredReplay};
use walcast_pgoutput::{Lsn, ParseLsnError};
use walcast_topics::{Decoder, LsnWindow};

use super::args::StartArgs;
use super::copy::{copier, is_fenced};
use super::counted::DryRun;
use super::gap::refusal;
use super::plan::Plan;
use super::report::Report;
use super::source::choose;
use super::wal_copy::WalCopier;
use super::{list, stored};
use crate::cli::delivered;
use crate::config::Config;
use crate::exit::{Exit, Rejection};
use crate::signals::Signals;
use crate::stdout::stdout;

pub(super) async fn start(config: &Config, args: StartArgs, json: bool) -> anyhow::Result<Exit> {
    let mut decoder = delivered::decoder(config, None)?;
    let name = args.replay_name();
    if args.dry_run {
        let plan = Box::pin(Plan::of(config, &args, &mut decoder)).await?;
        let run = Box::pin(DryRun::of(config, &args, plan, &mut decoder)).await?;
        print_dry_run(&run, json)?;
        return Ok(Exit::Done);
    }
    let known = stored::find(config, &name).await?;
    if let Some(known) = &known {
        stored::check_request(known, &args.request())?;
        if known.progress.state == ReplayState::Complete {
            info!(replay = name, "the replay is complete");
            list::print(&Report::of(known), json)?;
            return Ok(Exit::Done);
        }
    }
    let (sink, mut replay) = match known {
        Some(known) => {
            let (sink, now) = ReplaySink::open(&config.kafka, &name).await?;
            let now = now.unwrap_or(known);
            info!(replay = name, sent = now.progress.sent(), "the replay continues");
            (sink, now)
        }
        None => Box::pin(begin(config, &args, &mut decoder)).await?,
    };
    stored::check_request(&replay, &args.request())?;
    let ended = match window(&replay)? {
        Some(window) if replay.progress.state == ReplayState::Unfinished => {
            let stop = Signals::listen().context("cannot listen for signals")?;
            let copied = if replay.replay.wal.is_some() {
                let mut copier = WalCopier::new(sink, replay.clone())?;
                let copied = Box::pin(copier.run(config, &args, window.from, stop.stop())).await;
                replay = copier.into_stored();
                copied
            } else {
                let mut copier = copier(config, &mut decoder, sink, &replay, window, args.accept_gap)?;
                let copied = Box::pin(copier.run(stop.stop())).await;
                replay.progress = copier.into_committed();
                copied
            };
            match copied {
                Ok(ended) => ended,
                Err(error) if error.is::<Rejection>() => return Err(error),
                Err(error) => return Err(failure(config, error, &replay).await),
            }
        }
        _ => {
            complete(sink, &mut replay).await?;
            ReplayEnded::Complete
        }
    };
    list::print(&Report::of(&replay), json)?;
    if ended == ReplayEnded::Interrupted {
        info!(
            replay = name,
            "interrupted; the same command continues the replay"
        );
    }
    Ok(Exit::Done)
}

fn print_dry_run(run: &DryRun, json: bool) -> anyhow::Result<()> {
    let mut output = stdout();
    match json {
        true => output.json(run)?,
        false => output.lines(run.lines())?,
    };
    output.flush()?;
    Ok(())
}

/// Begins a replay: everything is checked before anything is written.
async fn begin(
    config: &Config,
    args: &StartArgs,
    decoder: &mut Decoder,
) -> anyhow::Result<(ReplaySink, StoredReplay)> {
    let plan = Box::pin(Plan::of(config, args, decoder)).await?;
    let chosen = choose(config, args, &plan, decoder).await?;
    let gaps = chosen.gaps(&plan);
    if !gaps.is_empty() && !args.accept_gap {
        let refusal = refusal(&gaps, chosen.source.word(), &chosen.reason);
        return Err(Rejection::Request(refusal).into());
    }
    for gap in &gaps {
        warn!("{}", gap.text());
    }
    info!(source = chosen.source.word(), "{}", chosen.reason);
    let mut replay = plan.replay(args);
    if let Some(origin) = chosen.origin() {
        for topic in &mut replay.topics {
            topic.partitions.clear();
        }
        replay = replay.from_wal(origin);
    }
    let side_topics = SideTopics::new(&config.kafka)?;
    if !args.same_topics {
        for topic in &replay.topics {
            let state = side_topics.state(&topic.topic, &topic.target).await?;
            check_side_topic(&topic.target, state)?;
        }
    }
    let (mut sink, now) = ReplaySink::open(&config.kafka, &replay.name).await?;
    // The same command was started twice.
    if let Some(now) = now {
        return Ok((sink, now));
    }
    if !args.same_topics {
        for topic in &replay.topics {
            side_topics.create(&topic.topic, &topic.target).await?;
        }
    }
    sink.begin(&replay).await?;
    info!(
        replay = replay.name,
        topics = replay.topics.len(),
        "the replay begins"
    );
    let progress = replay.begun();
    Ok((sink, StoredReplay { replay, progress }))
}

fn check_side_topic(topic: &str, state: SideTopic) -> Result<(), Rejection> {
    match state {
        SideTopic::Missing | SideTopic::Empty => Ok(()),
        SideTopic::InUse => Err(Rejection::Request(format!(
            "nothing was sent: the side topic {topic} already has records; give the replay another name, with --into"
        ))),
        SideTopic::OtherPartitions { found, original } => Err(Rejection::Request(format!(
            "nothing was sent: the side topic {topic} has {found} partitions, and its original has {original}; delete it, or give the \
             replay another name, with --into"
        ))),
    }
}

/// Window of a stored replay; `None` if it has no beginning, and so no record.
fn window(stored: &StoredReplay) -> anyhow::Result<Option<LsnWindow>> {
    let position = |text: &Option<String>| text.as_deref().map(str::parse::<Lsn>).transpose();
    let read = || -> Result<_, ParseLsnError> {
        let from = position(&stored.replay.from_lsn)?;
        let to = position(&stored.replay.to_lsn)?;
        Ok(from.map(|from| LsnWindow { from, to }))
    };
    read().with_context(|| format!("the stored window of the replay {}", stored.replay.name))
}

/// Stores that a replay without records is complete.
async fn complete(mut sink: ReplaySink, replay: &mut StoredReplay) -> anyhow::Result<()> {
    if replay.progress.state == ReplayState::Unfinished {
        replay.progress.state = ReplayState::Complete;
        sink.commit(Vec::new(), &replay.progress).await?;
    }
    Ok(())
}

/// Error of a replay that ended early: it was cancelled, another process has taken over, or it failed.
async fn failure(config: &Config, error: anyhow::Error, stored: &StoredReplay) -> anyhow::Error {
    let name = &stored.replay.name;
    // The topic may not be readable either: the first error says more.
    let now = stored::find(config, name).await.ok().flatten();
    let text = match now {
        Some(now) if now.progress.state == ReplayState::Cancelled => format!(
            "the replay {name} was cancelled after {} records",
            now.progress.sent()
        ),
        _ if is_fenced(&error) => {
            // A process that cancels fences this one first, and stores the state after that.
            format!(
                "the replay {name} was started again or cancelled elsewhere, so this process has ended; walcast replay status {name} shows its state"
            )
        }
        _ => {
            let sent = stored.progress.sent();
            return error.context(format!(
                "replay {name} after {sent} records, which the same command continues"
            ));
        }
    };
    Rejection::Request(text).into()
}
