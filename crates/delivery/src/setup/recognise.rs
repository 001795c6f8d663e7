//! The log is recognised over a stream of its own, where something is to be written before changes are streamed.

use std::collections::BTreeSet;
use std::time::Duration;

use tracing::{info, warn};
use walcast_pgoutput::{Decoder, Frame, Lsn, Oid};

use super::newly_captured::is_as_known;
use crate::edge::{ChangeStream, Source, SourceWatch, Started};
use crate::loss::{begins_at, still_reaches};
use crate::recognition::{Recognition, Shown};
use crate::{Checkpoint, DeliveryConfig, DeliveryError, Survey};

/// How long ending a stream in good order may take.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(5);

/// Has the server show what was delivered last, if it is to be asked for and something is new: a table is published, and a
/// checkpoint written, before the stream is begun that would tell.
pub(super) async fn recognise_before_news<P: Source>(
    source: &mut P,
    config: &DeliveryConfig,
    survey: &Survey,
    checkpoint: &Checkpoint,
    known: Option<&BTreeSet<Oid>>,
) -> Result<(), DeliveryError> {
    let from = checkpoint.end_lsn;
    let asked_from = begins_at(survey, checkpoint, from);
    if asked_from == from || is_as_known(config, survey, checkpoint, known) {
        return Ok(());
    }
    let started = source.start(asked_from).await.map_err(DeliveryError::Source)?;
    let Started {
        mut stream,
        mut watch,
        ..
    } = started;
    let survey = watch.survey().await.map_err(DeliveryError::Source)?;
    still_reaches(&survey, from, &config.slot)?;
    let confirmed = survey.slot.as_ref().and_then(|slot| slot.confirmed_flush_lsn);
    let begun = begins_at(&survey, checkpoint, from).max(asked_from);
    let recognition = Recognition::new(checkpoint, confirmed.unwrap_or(Lsn::INVALID), begun, from);
    if let Some(recognition) = recognition {
        info!(slot = config.slot, from = %begun, until = %from, "reading again what was delivered last");
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
