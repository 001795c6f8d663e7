//! `walcast run`: streams until stopped.

mod polled;

use anyhow::Context;
use clap::Args;
use tokio::task::JoinSet;
use tracing::{info, warn};
use walcast_kafka::{Registry, RegistryError, SignalTopic};

use super::config_args::ConfigArgs;
use crate::admin::{self, Connectors};
use crate::config::Config;
use crate::connector_handle::ConnectorHandle;
use crate::descriptors;
use crate::exit::{Exit, help_end};
use crate::reload::Reload;
use crate::remedy::describe;
use crate::selection;
use crate::service_manager;
use crate::signal_topic;
use crate::signals::Signals;
use crate::stream_snapshots;
use crate::wiring;

/// Stream every committed change into Kafka until stopped
///
/// Checks all preconditions, creates missing publication, slot and topics, and resumes at the checkpoint in Kafka. SIGTERM or
/// SIGINT stops the connector cleanly. A second instance with the same name is a standby: it takes over when the first
/// instance ends.
#[derive(Debug, Args)]
#[command(after_help = help_end!(
    "  walcast run --config walcast.toml\n\
     \x20 walcast run --log-format json --log-level debug\n\
     \x20 curl -s http://127.0.0.1:8080/status      while it runs: state, positions, lag"
))]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}

pub(crate) async fn run(config: Config, reload: Reload) -> anyhow::Result<Exit> {
    descriptors::raise_limit();
    let mut signals = Signals::listen().context("cannot install signal handlers")?;
    let hangup = Reload::hangup().context("cannot install signal handlers")?;
    // It ends with the runtime.
    tokio::spawn(reload.run(hangup));
    let admin_port = match config.admin.listen {
        Some(listen) => {
            let places = admin::to_store(&config.name, admin::of_process);
            Some(admin::open(listen, &config.admin, &places).await?)
        }
        None => None,
    };
    if !config.polled.is_empty() {
        return polled::run(&config, signals, admin_port, probe_registry(&config)).await;
    }
    info!(
        name = config.name,
        version = env!("CARGO_PKG_VERSION"),
        slot = config.postgres.slot,
        publication = config.postgres.publication,
        topic_prefix = config.kafka.topic_prefix,
        guarantee = ?config.kafka.guarantee,
        "starting"
    );

    let mut connector = wiring::connector(&config)?;
    let slot_monitor = wiring::slot_monitor(&config, &connector.source, connector.state.clone());
    let bookmark_monitor = wiring::bookmark_monitor(&config, &connector.source, connector.state.clone());
    let outbox_cleaner = wiring::outbox_cleaner(&config, &connector.source, connector.state.clone());
    let handle = ConnectorHandle::new(&config, &connector);
    let connectors = Connectors::new([handle.clone()]);
    let admin = admin_port.map(|port| tokio::spawn(admin::serve(port, connectors)));
    tokio::spawn(service_manager::follow(connector.state.status.subscribe()));
    tokio::select! {
        biased;
        _ = signals.next() => return Ok(Exit::Done),
        probed = probe_registry(&config) => probed.context("schema registry")?,
    }
    tokio::select! {
        biased;
        _ = signals.next() => return Ok(Exit::Done),
        verified = selection::verify(&config) => verified?,
    }
    let signal_topic = match config.signal_topic.as_deref() {
        Some(topic) => {
            let topic = SignalTopic::new(&config.kafka, topic)?;
            let followed = signal_topic::follow(topic, config.kafka.topic_prefix.clone(), handle.control);
            Some(tokio::spawn(followed))
        }
        None => None,
    };
    let mut writers = JoinSet::new();
    for snapshots in wiring::stream_snapshots(&config, &connector.state) {
        writers.spawn(stream_snapshots::follow(snapshots, connector.state.clone()));
    }
    let outcome = tokio::select! {
        biased;
        outcome = Box::pin(connector.run(signals.stop())) => outcome,
        never = Box::pin(slot_monitor.run()) => match never {},
        never = Box::pin(bookmark_monitor.run()) => match never {},
        never = Box::pin(outbox_cleaner.run()) => match never {},
    };
    writers.abort_all();
    if let Some(signal_topic) = signal_topic {
        signal_topic.abort();
    }
    if let Some(admin) = admin {
        admin.abort();
    }
    outcome?;
    info!("stopped");
    Ok(Exit::Done)
}

/// Detects a schema registry that rejects requests before anything is created. A registry that does not answer is retried
/// when a schema is needed.
async fn probe_registry(config: &Config) -> Result<(), RegistryError> {
    let Some(registry) = &config.registry else {
        return Ok(());
    };
    match Registry::new(registry)?.probe().await {
        Err(error @ RegistryError::Unreachable { .. }) => {
            warn!(
                error = describe(&error),
                "the schema registry does not answer; no new table can be captured until it is reachable"
            );
            Ok(())
        }
        probed => probed,
    }
}
