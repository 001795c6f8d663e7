//! `walcast run`: stream until stopped.

use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use tokio::sync::watch;
use tracing::{error, info, warn};
use walcast_delivery::{Metrics, Status};
use walcast_kafka::{Registry, RegistryError, SignalTopic};

use super::ConfigArgs;
use crate::admin::{self, Access, Identity, Observed, Served};
use crate::config::Config;
use crate::exit::{Exit, help_end};
use crate::signal_topic;
use crate::signals::Signals;
use crate::wiring;

/// Stream every committed change into Kafka until stopped
///
/// Looks at everything first, creates publication, slot and topics that are missing, and goes on where the checkpoint in
/// Kafka says. SIGTERM or SIGINT ends it in good order. A second instance with the same name waits and takes over when the
/// first is gone.
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

pub(crate) async fn run(config: Config) -> anyhow::Result<Exit> {
    let mut signals = Signals::listen().context("signals cannot be listened to")?;
    let metrics = Metrics::default();
    let (status, watched) = watch::channel(Status::default());
    let identity = Identity {
        name: config.name.clone(),
        slot: config.postgres.slot.clone(),
        publication: config.postgres.publication.clone(),
        topic_prefix: config.kafka.topic_prefix.clone(),
    };
    let admin_listener = match config.admin.listen {
        Some(listen) => Some((listen, admin::bind(listen, &config.admin).await?)),
        None => None,
    };
    info!(
        name = config.name,
        version = env!("CARGO_PKG_VERSION"),
        slot = config.postgres.slot,
        publication = config.postgres.publication,
        topic_prefix = config.kafka.topic_prefix,
        guarantee = ?config.kafka.guarantee,
        "starting"
    );

    let mut connector = wiring::connector(&config, metrics.clone(), status)?;
    let guardian = wiring::guardian(&config, &connector.source, metrics.clone(), watched.clone());
    let admin = admin_listener.map(|(listen, listener)| {
        let served = Arc::new(Served {
            observed: Observed::new(identity, metrics, watched),
            control: connector.requests.control(),
            access: Access::new(config.admin.token.clone(), listen),
        });
        tokio::spawn(async move {
            if let Err(error) = admin::serve(listener, served).await {
                error!(%error, "figures and state are not served any more");
            }
        })
    });
    tokio::select! {
        biased;
        _ = signals.next() => return Ok(Exit::Done),
        asked = ask_registry(&config) => asked.context("schema registry")?,
    }
    let signal_topic = match config.snapshot.signal_topic.as_deref() {
        Some(topic) => {
            let topic = SignalTopic::new(&wiring::kafka(&config)?, topic)?;
            let followed = signal_topic::follow(
                topic,
                config.kafka.topic_prefix.clone(),
                connector.requests.control(),
            );
            Some(tokio::spawn(followed))
        }
        None => None,
    };
    let outcome = tokio::select! {
        biased;
        outcome = Box::pin(connector.run(signals.stop())) => outcome,
        never = Box::pin(guardian.run()) => match never {},
    };
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

/// A registry that refuses us is found before anything is made. One that does not answer is waited for where a schema is
/// needed, as it is later on.
async fn ask_registry(config: &Config) -> Result<(), RegistryError> {
    let Some(registry) = wiring::registry(config) else {
        return Ok(());
    };
    match Registry::new(&registry)?.probe().await {
        Err(error @ RegistryError::Unreachable { .. }) => {
            warn!(%error, "the schema registry is away, no new table can be captured until it is back");
            Ok(())
        }
        answered => answered,
    }
}
