//! Heartbeats: periodic records, each in the same Kafka transaction as a checkpoint.

use std::time::Duration;

use tokio::time::Instant;
use walcast_mapper::events::HeartbeatEvents;
use walcast_mapper::{MapperConfig, RecordBuffer};
use walcast_pgoutput::PgTimestamp;

use crate::encode::registrar::Registrar;
use crate::error::DeliveryError;
use crate::ports::registry::SchemaRegistry;
use crate::ports::topics::Topics;

/// Heartbeat of a session.
pub(crate) struct Heartbeat {
    events: HeartbeatEvents,
    interval: Duration,
    due: Instant,
}

impl Heartbeat {
    /// Creates the topic of heartbeats and registers its schemas; `None` if heartbeats are off.
    pub(crate) async fn prepare<T: Topics, R: SchemaRegistry>(
        config: &MapperConfig,
        registrar: &mut Registrar<'_, T, R>,
    ) -> Result<Option<Self>, DeliveryError> {
        let interval = config.events.heartbeat_interval;
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

    /// Time of the next heartbeat.
    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// Returns a heartbeat if one is due. The next one is due one interval from now: missed heartbeats are not made up
    /// for.
    pub(crate) fn beat_if_due(&mut self) -> Option<RecordBuffer> {
        if Instant::now() < self.due {
            return None;
        }
        self.due = Instant::now() + self.interval;
        let mut batch = RecordBuffer::new();
        self.events
            .beat(PgTimestamp::now().unix_micros().div_euclid(1000), &mut batch);
        Some(batch)
    }
}
