//! Stored replays: looked up by name, and compared with a request.

use walcast_delivery::ReplayState;
use walcast_kafka::{ReplayRequest, RequestedSource, StoredReplay, stored_replays};

use crate::config::Config;
use crate::exit::Rejection;

/// Replay with this name; `None` if there is none.
pub(super) async fn find(config: &Config, name: &str) -> anyhow::Result<Option<StoredReplay>> {
    let replays = stored_replays(&config.kafka).await?;
    Ok(replays.into_iter().find(|stored| stored.replay.name == name))
}

/// Error for a name that no replay has.
pub(super) fn unknown(name: &str) -> Rejection {
    Rejection::Request(format!(
        "there is no replay {name}; walcast replay list shows all"
    ))
}

/// Rejects a request that does not continue a stored replay: another window, or a cancelled replay.
pub(super) fn check_request(stored: &StoredReplay, request: &ReplayRequest) -> Result<(), Rejection> {
    let (name, known) = (&stored.replay.name, &stored.replay.request);
    if known != request {
        return Err(Rejection::Request(format!(
            "the replay {name} exists with another request ({}); give the new one another name, with --into or --name",
            text(known)
        )));
    }
    match stored.progress.state {
        ReplayState::Cancelled => Err(Rejection::Request(format!(
            "the replay {name} was cancelled and is not resumed; give the new one another name, with --into or --name"
        ))),
        ReplayState::Unfinished | ReplayState::Complete => Ok(()),
    }
}

/// Options that make a request.
fn text(request: &ReplayRequest) -> String {
    let mut text = format!("--from {} --to {}", request.from, request.to);
    for table in &request.tables {
        text.push_str(" --tables ");
        text.push_str(table);
    }
    match &request.into {
        Some(into) => {
            text.push_str(" --into ");
            text.push_str(into);
        }
        None => text.push_str(" --same-topics"),
    }
    if request.source != RequestedSource::Auto {
        text.push_str(" --source ");
        text.push_str(request.source.word());
    }
    text
}

#[cfg(test)]
mod tests {
    use walcast_kafka::Replay;

    use super::*;

    #[test]
    fn only_the_same_request_continues_a_replay_that_was_not_cancelled() {
        let request = |to: &str| ReplayRequest {
            from: "0/1".to_owned(),
            to: to.to_owned(),
            tables: vec!["public.orders".to_owned()],
            into: Some("fix".to_owned()),
            source: RequestedSource::Auto,
        };
        let replay = Replay::new("fix".to_owned(), request("now"), Vec::new(), 0);
        let mut stored = StoredReplay {
            progress: replay.begun(),
            replay,
        };
        check_request(&stored, &request("now")).unwrap();
        assert_eq!(
            check_request(&stored, &request("0/2")).unwrap_err().to_string(),
            "the replay fix exists with another request (--from 0/1 --to now --tables public.orders --into fix); give the new one \
             another name, with --into or --name"
        );
        stored.progress.state = ReplayState::Complete;
        check_request(&stored, &request("now")).unwrap();
        stored.progress.state = ReplayState::Cancelled;
        assert_eq!(
            check_request(&stored, &request("now")).unwrap_err().to_string(),
            "the replay fix was cancelled and is not resumed; give the new one another name, with --into or --name"
        );
    }
}
