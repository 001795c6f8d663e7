//! Heartbeats: a record at an interval, in the same Kafka transaction as a checkpoint.

use std::time::Duration;

use tokio::time::Instant;
use walcast_mapper::{Batch, HeartbeatEvents, MapperConfig};
use walcast_pgoutput::PgTimestamp;

use crate::DeliveryError;
use crate::edge::{SchemaRegistry, Topics};
use crate::registrar::Registrar;

/// Beats when it is due.
pub(crate) struct Heartbeat {
    events: HeartbeatEvents,
    interval: Duration,
    due: Instant,
}

impl Heartbeat {
    /// Makes sure that its topic and schemas are there; `None` when there are no heartbeats.
    pub(crate) async fn prepare<T: Topics, R: SchemaRegistry>(
        config: &MapperConfig,
        registrar: &mut Registrar<'_, T, R>,
    ) -> Result<Option<Self>, DeliveryError> {
        let interval = Duration::from_millis(config.events.heartbeat_interval_ms);
        if interval.is_zero() {
            return Ok(None);
        }
        let mut events = HeartbeatEvents::new(config);
        registrar.bind_events(&mut events.topic).await?;
        let due = Instant::now() + interval;
        Ok(Some(Self {
            events,
            interval,
            due,
        }))
    }

    /// When the next beat is due.
    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// The beat, when it is due. The next one is due an interval from now: what was missed is not made up for.
    pub(crate) fn beat_if_due(&mut self) -> Option<Batch> {
        if Instant::now() < self.due {
            return None;
        }
        self.due = Instant::now() + self.interval;
        let mut batch = Batch::new();
        self.events
            .beat(PgTimestamp::now().unix_micros().div_euclid(1000), &mut batch);
        Some(batch)
    }
}
