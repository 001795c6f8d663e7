//! Start of the stream, at the position from which the history can be verified.

use std::time::Duration;

use tracing::{info, warn};
use walcast_pgoutput::Lsn;

use crate::config::DeliveryConfig;
use crate::error::DeliveryError;
use crate::ports::source::{ChangeStream, Source, SourceWatch, Started};
use crate::position::checkpoint::{Checkpoint, CheckpointLog};
use crate::position::resume::{self, still_reaches};
use crate::session::setup::newly_captured::is_as_known;
use crate::source_state::SourceState;
use crate::stream::history::HistoryCheck;

/// Time within which a stream should end cleanly.
pub(crate) const STREAM_CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Result of [`start`].
pub(crate) struct StreamStart<P: Source> {
    /// Running stream, and what belongs to it.
    pub(crate) started: Started<P>,
    /// Check of the history that the stream must pass; `None` if the server sends nothing again.
    pub(crate) check: Option<HistoryCheck>,
    /// State of the source when the stream was started.
    pub(crate) source_state: SourceState,
}

/// Starts the stream that continues after `checkpoint`, at `begins_at`, with the history check that the stream must
/// pass first.
pub(crate) async fn start<P: Source>(
    source: &mut P,
    slot: &str,
    checkpoint: &Checkpoint,
    begins_at: Lsn,
) -> Result<StreamStart<P>, DeliveryError> {
    let from = checkpoint.end_lsn;
    let mut started = source.start(begins_at).await.map_err(DeliveryError::Source)?;
    // Until the stream held the slot, the slot could be advanced, and the server would skip WAL silently.
    let source_state = started.watch.inspect().await.map_err(DeliveryError::Source)?;
    let confirmed = still_reaches(&source_state, from, slot)?;
    // The last confirmation of an earlier connection may have arrived only now; the server then began after it.
    let begun = begins_at.max(resume::begins_at(&source_state, checkpoint));
    let check = HistoryCheck::new(checkpoint, confirmed, begun);
    if check.is_some() {
        info!(slot, from = %begun, until = %from, "verifying the history: reading the last delivered changes");
    }
    Ok(StreamStart {
        started,
        check,
        source_state,
    })
}

/// Verifies the history over a separate stream if tables are to be published: publishing a table and writing a
/// checkpoint precede the stream that would verify the history.
pub(super) async fn verify_history_before_changes<P: Source>(
    source: &mut P,
    config: &DeliveryConfig,
    source_state: &SourceState,
    checkpoint: &Checkpoint,
    log: &CheckpointLog,
) -> Result<(), DeliveryError> {
    let begins_at = resume::begins_at(source_state, checkpoint);
    if begins_at == checkpoint.end_lsn || is_as_known(config, source_state, checkpoint, log) {
        return Ok(());
    }
    let StreamStart { started, check, .. } = start(source, &config.slot, checkpoint, begins_at).await?;
    let mut stream = started.stream;
    if let Some(check) = check {
        check.run(&mut stream, |_| {}).await?;
    }
    match tokio::time::timeout(STREAM_CLOSE_TIMEOUT, stream.stop()).await {
        Ok(stopped) => stopped.map_err(DeliveryError::Source)?,
        Err(_) => warn!("stream did not end in time"),
    }
    Ok(())
}
