//! `walcast replay cancel`: ends a replay for good.

use jiff::Timestamp;
use walcast_delivery::ReplayState;
use walcast_kafka::{ReplaySink, StoredReplay};

use super::report::Report;
use super::{list, stored};
use crate::config::Config;
use crate::exit::{Exit, Rejection};

pub(super) async fn cancel(config: &Config, name: &str, json: bool) -> anyhow::Result<Exit> {
    let found = stored::find(config, name).await?;
    let mut found = found.ok_or_else(|| stored::unknown(name))?;
    if found.progress.state == ReplayState::Unfinished {
        // Ends the transaction of a process that runs the replay, and fences it: from here on nothing more is sent.
        let (mut sink, now) = ReplaySink::open(&config.kafka, name).await?;
        found = now.unwrap_or(found);
        if found.progress.state == ReplayState::Unfinished {
            found.progress.state = ReplayState::Cancelled;
            found.progress.updated_at_unix_micros = Timestamp::now().as_microsecond();
            sink.commit(Vec::new(), &found.progress).await?;
        }
    }
    check_cancelled(&found)?;
    list::print(&Report::of(&found), json)?;
    Ok(Exit::Done)
}

fn check_cancelled(found: &StoredReplay) -> Result<(), Rejection> {
    match found.progress.state {
        ReplayState::Complete => Err(Rejection::Request(format!(
            "the replay {} is complete: {} records were sent; there is nothing to cancel",
            found.replay.name,
            found.progress.sent()
        ))),
        ReplayState::Cancelled | ReplayState::Unfinished => Ok(()),
    }
}
