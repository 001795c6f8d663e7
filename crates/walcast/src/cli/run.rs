//! `walcast run`: stream until stopped.

use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use tokio::sync::watch;
use tracing::{error, info};
use walcast_delivery::{Metrics, Status};

use super::ConfigArgs;
use crate::admin::{self, Identity, Observed};
use crate::config::Config;
use crate::exit::{Exit, help_end};
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
    let signals = Signals::listen().context("signals cannot be listened to")?;
    let metrics = Metrics::default();
    let (status, watched) = watch::channel(Status::default());
    let identity = Identity {
        name: config.name.clone(),
        slot: config.postgres.slot.clone(),
        publication: config.postgres.publication.clone(),
        topic_prefix: config.kafka.topic_prefix.clone(),
    };
    let admin_listener = match config.admin_listen {
        Some(listen) => Some(admin::bind(listen).await?),
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
    let admin = admin_listener.map(|listener| {
        let observed = Arc::new(Observed::new(identity, metrics, watched));
        tokio::spawn(async move {
            if let Err(error) = admin::serve(listener, observed).await {
                error!(%error, "figures and state are not served any more");
            }
        })
    });
    let outcome = Box::pin(connector.run(signals.stop())).await;
    if let Some(admin) = admin {
        admin.abort();
    }
    outcome?;
    info!("stopped");
    Ok(Exit::Done)
}
