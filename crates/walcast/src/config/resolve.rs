//! Validation of the raw configuration: derives names, checks bounds, reads secrets from their files.
//!
//! Each module resolves the configuration of one crate, or a section that only this program uses. A value that several crates
//! need is checked once, and the others copy it from there.

mod admin;
mod bookmarks;
mod check;
mod consumers;
mod context;
mod delivery;
mod event_stores;
mod kafka;
mod log;
mod mapper;
mod names;
mod outbox;
mod outbox_cleanup;
mod polling;
mod postgres;
mod registry;
mod reserved_topics;
mod secrets;
mod snapshot;
mod stream_snapshots;

use walcast_postgres::Environment;

use self::check::Check;
use super::document::Document;
use super::error::ConfigError;
use super::exposed;
use super::raw::RawConfig;
use super::sections::Config;
use super::selections;
use super::settings::Settings;

/// Validates a raw configuration.
pub(crate) fn resolve(
    document: &Document<'_>,
    raw: &RawConfig,
    environment: &Environment,
) -> Result<Config, ConfigError> {
    let check = Check::new(document);
    check.resolved(&raw.unresolved)?;
    let names = check.names(raw)?;
    let snapshot = check.snapshot(&raw.snapshot)?;
    let polled = check.polled(raw)?;
    let mut postgres = check.postgres(raw, &names, &snapshot, environment)?;
    if !polled.is_empty() {
        postgres.tables = polled.iter().filter_map(|rule| rule.tables.clone()).collect();
    }
    let kafka = check.kafka(&raw.kafka, &names)?;
    let registry = check.registry(&raw.registry, &raw.format)?;
    let delivery = check.delivery(raw, &names, snapshot, &kafka)?;
    let mapper = check.mapper(raw, &names, postgres.connect.database())?;
    check.message_outboxes(&mapper, &delivery.dead_letters)?;
    Ok(Config {
        selections: selections::of(document, raw, &mapper, &postgres.exclude),
        mapper,
        polled,
        slot_monitor: delivery::slot_monitor(&raw.slot_monitor, &postgres, &delivery),
        outbox_cleanup: check.outbox_cleanup(raw)?,
        bookmarks: check.bookmarks(&raw.bookmarks, &delivery)?,
        stream_snapshots: check.stream_snapshots(raw, &names)?,
        admin: check.admin(&raw.admin)?,
        metrics: raw.metrics.compatible(),
        consumers: check.consumers(&raw.consumers)?,
        log: check.log(&raw.log)?,
        exposed: exposed::of(document, raw, environment),
        settings: Settings::of(document, raw),
        postgres,
        kafka,
        registry,
        delivery,
        signal_topic: names.signal_topic,
        name: names.connector,
    })
}
