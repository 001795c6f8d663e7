//! The stream is begun where the log can be recognised; over a stream of its own, where something is to be written before changes
//! are streamed.

use std::collections::BTreeSet;
use std::time::Duration;

use tracing::{info, warn};
use walcast_pgoutput::{Decoder, Frame, Lsn, Oid};

use super::newly_captured::is_as_known;
use crate::edge::{ChangeStream, Source, SourceWatch, Started};
use crate::loss::{self, still_reaches};
use crate::recognition::{Recognition, Shown};
use crate::{Checkpoint, DeliveryConfig, DeliveryError, Survey};

/// How long ending a stream in good order may take.
pub(crate) const GOODBYE_TIMEOUT: Duration = Duration::from_secs(5);

/// Begins the stream that goes on behind `checkpoint`, at `begins_at`; with what it has to show before that.
pub(crate) async fn start<P: Source>(
    source: &mut P,
    slot: &str,
    checkpoint: &Checkpoint,
    begins_at: Lsn,
) -> Result<(Started<P>, Option<Recognition>), DeliveryError> {
    let from = checkpoint.end_lsn;
    let mut started = source.start(begins_at).await.map_err(DeliveryError::Source)?;
    // Until the stream held it the slot could be advanced, and the server then skips without a word.
    let survey = started.watch.survey().await.map_err(DeliveryError::Source)?;
    let confirmed = still_reaches(&survey, from, slot)?;
    // What a predecessor had confirmed may have come to the slot only now: the server began behind that.
    let begun = begins_at.max(loss::begins_at(&survey, checkpoint));
    let recognition = Recognition::new(checkpoint, confirmed, begun);
    if recognition.is_some() {
        info!(slot, from = %begun, until = %from, "reading again what was delivered last");
    }
    Ok((started, recognition))
}

/// Has the server show what was delivered last, if it is to be asked for and something is new: a table is published, and a
/// checkpoint written, before the stream is begun that would tell.
pub(super) async fn recognise_before_news<P: Source>(
    source: &mut P,
    config: &DeliveryConfig,
    survey: &Survey,
    checkpoint: &Checkpoint,
    known: Option<&BTreeSet<Oid>>,
) -> Result<(), DeliveryError> {
    let begins_at = loss::begins_at(survey, checkpoint);
    if begins_at == checkpoint.end_lsn || is_as_known(config, survey, checkpoint, known) {
        return Ok(());
    }
    let (started, recognition) = start(source, &config.slot, checkpoint, begins_at).await?;
    let mut stream = started.stream;
    if let Some(recognition) = recognition {
        read_until_recognised(&mut stream, recognition).await?;
    }
    match tokio::time::timeout(GOODBYE_TIMEOUT, stream.stop()).await {
        Ok(stopped) => stopped.map_err(DeliveryError::Source)?,
        Err(_) => warn!("stream did not end in time"),
    }
    Ok(())
}

async fn read_until_recognised<S: ChangeStream>(
    stream: &mut S,
    mut recognition: Recognition,
) -> Result<(), DeliveryError> {
    let mut decoder = Decoder::new();
    loop {
        let block = stream.next().await.map_err(DeliveryError::Source)?;
        let after = recognition.delivered_until();
        let unreadable = |source| DeliveryError::Decode { after, source };
        for frame in block.frames() {
            let shown = match frame.map_err(unreadable)? {
                Frame::XLogData { message, .. } => {
                    let message = decoder.decode(message).map_err(unreadable)?;
                    recognition.see(&message)?
                }
                Frame::Keepalive { wal_end, .. } => recognition.see_keepalive(wal_end)?,
            };
            if shown == Shown::Recognised {
                return Ok(());
            }
        }
    }
}
