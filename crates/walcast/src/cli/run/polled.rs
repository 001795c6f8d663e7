//! `walcast run` for a connector whose outboxes are polled.

use anyhow::Context;
use tracing::info;
use walcast_kafka::RegistryError;

use crate::admin::{self, Connectors, Port};
use crate::config::Config;
use crate::connector_handle::ConnectorHandle;
use crate::exit::Exit;
use crate::service_manager;
use crate::signals::Signals;
use crate::wiring;

/// Polls until stopped. `probe` detects a schema registry that rejects requests.
pub(super) async fn run(
    config: &Config,
    mut signals: Signals,
    admin_port: Option<Port>,
    probe: impl Future<Output = Result<(), RegistryError>>,
) -> anyhow::Result<Exit> {
    info!(
        name = config.name,
        version = env!("CARGO_PKG_VERSION"),
        topic_prefix = config.kafka.topic_prefix,
        "starting to poll"
    );
    let mut poller = wiring::poller(config)?;
    let connectors = Connectors::new([ConnectorHandle::of_poller(config, &poller)]);
    let admin = admin_port.map(|port| tokio::spawn(admin::serve(port, connectors)));
    tokio::spawn(service_manager::follow(poller.state.status.subscribe()));
    tokio::select! {
        biased;
        _ = signals.next() => return Ok(Exit::Done),
        probed = probe => probed.context("schema registry")?,
    }
    let outcome = Box::pin(poller.run(signals.stop())).await;
    if let Some(admin) = admin {
        admin.abort();
    }
    outcome?;
    info!("stopped");
    Ok(Exit::Done)
}
