//! Ports and shared state of a connector that its sessions borrow.

use walcast_mapper::MapperConfig;

use crate::config::DeliveryConfig;
use crate::describe::Describe;
use crate::metrics::Metrics;
use crate::snapshot::control::SnapshotRequests;
use crate::state::ConnectorState;

/// Ports, configuration and shared state of a connector, borrowed for one session.
pub(crate) struct Ports<'a, P, C, K, T, R> {
    pub(crate) source: &'a mut P,
    pub(crate) checkpoints: &'a C,
    pub(crate) sink: &'a mut K,
    pub(crate) topics: &'a mut T,
    pub(crate) registry: &'a mut R,
    pub(crate) mapper: &'a MapperConfig,
    pub(crate) config: &'a DeliveryConfig,
    pub(crate) metrics: &'a Metrics,
    pub(crate) state: &'a ConnectorState,
    pub(crate) requests: &'a mut SnapshotRequests,
    pub(crate) describe: Describe,
}
