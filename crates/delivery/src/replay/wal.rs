//! Replay of a window from WAL: its changes are decoded again, and encoded as they were delivered.
//!
//! ```text
//! stream of a copied slot ──▶ TransactionReader ──▶ TableEncoder with the stored schema history ──▶ ReplayTarget
//! ```
//!
//! Only delivered changes are replayed, so that every schema is known: a table is mapped with the metadata with which its rows were
//! encoded at that position, and its schemas are looked up and never registered. No topic is created. The live stream, its slot and its
//! checkpoint are not used: nothing here can change them.

pub(crate) mod delivered;
pub(crate) mod place;
mod reader;
pub(crate) mod request;
pub(crate) mod target;

use std::future::Future;
use std::pin::pin;

use tokio::time::{Duration, Instant};
use walcast_pgoutput::FrameBlock;

use crate::encode::dead_letters::config::{DeadLetterConfig, OnError};
use crate::encode::dead_letters::rejected_changes::RejectedChanges;
use crate::error::DeliveryError;
use crate::event_stores::state::EventStoresState;
use crate::metrics::Metrics;
use crate::ports::catalog::RowsCatalog;
use crate::ports::registry::SchemaRegistry;
use crate::ports::source::ChangeStream;
use crate::ports::topics::Topics;

use self::delivered::{DeliveredSchemas, DeliveredTopics};
use self::reader::{EncoderParts, Step, WindowReader};
use self::request::WindowReplay;
use self::target::ReplayTarget;

/// Time after which the place is stored, also if no record of the window was read.
const STORE_INTERVAL: Duration = Duration::from_secs(2);

/// Ports of a replay from WAL.
#[derive(Debug)]
pub struct ReplayPorts<C, T, R> {
    /// Catalog of the server.
    pub catalog: C,
    /// Topics of the records.
    pub topics: T,
    /// Registry, in which schemas are only looked up.
    pub registry: R,
}

/// How a replay from WAL ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowEnded {
    /// The window was sent.
    Complete,
    /// The replay was stopped. What was not sent is sent by the next run.
    Stopped,
}

/// Replays a window, or what is left of it, from a stream that begins at or before its place. `stop` is awaited between blocks of the
/// stream only: a transaction of the target is always completed.
///
/// # Errors
/// A port fails, a change cannot be mapped, or a schema was never registered.
pub async fn replay_window<S, C, T, R, K>(
    stream: &mut S,
    ports: ReplayPorts<C, T, R>,
    replay: WindowReplay<'_>,
    target: &mut K,
    stop: impl Future<Output = ()>,
) -> Result<WindowEnded, DeliveryError>
where
    S: ChangeStream,
    C: RowsCatalog,
    T: Topics,
    R: SchemaRegistry,
    K: ReplayTarget,
{
    let mut stop = pin!(stop);
    let (mut topics, mut registry) = (
        DeliveredTopics::new(ports.topics, &replay.dead_letters.topic),
        DeliveredSchemas::new(ports.registry, replay.on_incompatible),
    );
    let (metrics, rejected) = (Metrics::default(), RejectedChanges::default());
    let event_stores = EventStoresState::default();
    let dead_letters = without_quarantine(replay.dead_letters);
    let batch_bytes = replay.batch_bytes;
    let parts = EncoderParts {
        catalog: ports.catalog,
        topics: &mut topics,
        registry: &mut registry,
        metrics: &metrics,
        event_stores: &event_stores,
        rejected: &rejected,
        dead_letters: &dead_letters,
    };
    let mut reader = WindowReader::new(replay, parts);
    let mut stored_at = Instant::now();
    loop {
        // Each branch is cancel-safe.
        let block: FrameBlock = tokio::select! {
            biased;
            () = stop.as_mut() => return Ok(WindowEnded::Stopped),
            block = stream.next() => block.map_err(DeliveryError::Source)?,
        };
        for frame in block.frames() {
            let step = reader.read(frame).await?;
            let is_end = step == Step::End;
            if is_end || reader.len_bytes() >= batch_bytes {
                target
                    .send(reader.records(), reader.place(), is_end)
                    .await
                    .map_err(DeliveryError::Sink)?;
                reader.sent();
                stored_at = Instant::now();
            }
            if is_end {
                return Ok(WindowEnded::Complete);
            }
        }
        if stored_at.elapsed() >= STORE_INTERVAL {
            target
                .send(reader.records(), reader.place(), false)
                .await
                .map_err(DeliveryError::Sink)?;
            reader.sent();
            stored_at = Instant::now();
        }
    }
}

/// The same actions, with dead letters in place of quarantines: a replay sets no table aside, and leaves out the change alone.
fn without_quarantine(config: &DeadLetterConfig) -> DeadLetterConfig {
    let action = |on_error| match on_error {
        OnError::Quarantine => OnError::DeadLetter,
        OnError::Halt | OnError::DeadLetter => on_error,
    };
    let mut config = config.clone();
    config.on_error = action(config.on_error);
    for rule in &mut config.rules {
        rule.on_error = action(rule.on_error);
    }
    config
}

#[cfg(test)]
mod tests;
