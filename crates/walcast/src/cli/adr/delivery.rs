//! Guarantees of delivery, and the rules by which schemas change.

use serde::Serialize;
use walcast_delivery::{Guarantee, OnError, OnIncompatible};
use walcast_mapper::config::Shape;

use super::asked::{Asked, Levels};
use super::markdown::{code, codes};
use crate::config::{ByteSize, Config};

pub(super) fn delivery(config: &Config) -> Vec<String> {
    let mut lines = Vec::new();
    match config.kafka.guarantee {
        Guarantee::ExactlyOnce => {
            lines.push(
                "- **Exactly once.** The records of a transaction of the database and the position behind them are in one Kafka \
                 transaction. A consumer with `isolation.level=read_committed` sees each change once, whatever crashes."
                    .to_owned(),
            );
            if let Some(bytes) = config.delivery.split_over_bytes {
                lines.push(format!(
                    "- A transaction of more than {} is split into several Kafka transactions.",
                    ByteSize::new(bytes)
                ));
            }
        }
        Guarantee::AtLeastOnce => lines.push(
            "- **At least once.** A crash may repeat records; consumers drop records whose header `walcast.id` they have seen."
                .to_owned(),
        ),
    }
    lines.push(
        "- **Order.** The records of a partition are in commit order, and all changes of a key are in one partition. The header \
         `walcast.id` orders records of several partitions."
            .to_owned(),
    );
    let mapper = &config.mapper;
    if mapper.events.transactions {
        lines.push("- Each event names its transaction, and its place in it.".to_owned());
    }
    if !mapper.context.prefixes.is_empty() {
        lines.push(format!(
            "- The context that an application gives its transaction (messages {}) is in the header `walcast.context`.",
            codes(&mapper.context.prefixes)
        ));
    }
    if mapper.shape == Shape::Debezium {
        let tombstone = match mapper.tombstones_on_delete {
            true => "A delete is followed by a tombstone.",
            false => "Deletes have no tombstone.",
        };
        lines.push(format!("- {tombstone}"));
    }
    lines.extend(undeliverable(config));
    lines
}

/// What becomes of changes that cannot be delivered.
pub(super) fn undeliverable(config: &Config) -> Vec<String> {
    let mut lines = vec![format!(
        "- **Changes that cannot be delivered.** {}",
        on_error(config.delivery.dead_letters.on_error)
    )];
    for rule in &config.delivery.dead_letters.rules {
        lines.push(format!(
            "  - {}: {}",
            code(&rule.tables.to_string()),
            on_error(rule.on_error)
        ));
    }
    lines
}

fn on_error(action: OnError) -> &'static str {
    match action {
        OnError::Halt => "The connector halts before the change; nothing is skipped.",
        OnError::DeadLetter => "The change is kept as a dead letter, and the connector continues.",
        OnError::Quarantine => "The table is set aside until it is resumed, and the others continue.",
    }
}

pub(super) fn versions(config: &Config, asked: &Asked) -> Vec<String> {
    let mapper = &config.mapper;
    let mut lines = vec![format!(
        "- Keys are `{}`, values `{}` in the shape `{}`.",
        word(&mapper.key),
        word(&mapper.value),
        word(&mapper.shape)
    )];
    let Some(registry) = &config.registry else {
        lines.push(
            "- There is no schema registry: consumers ignore unknown fields and accept missing ones."
                .to_owned(),
        );
        return lines;
    };
    lines.push(match &asked.levels {
        None => "- Compatibility: [level of the registry].".to_owned(),
        Some(levels) => compatibility(levels),
    });
    lines.push(match registry.auto_register {
        true => "- A new version is registered before its first record.".to_owned(),
        false => "- New versions are registered by others before the migration (`auto_register = false`)."
            .to_owned(),
    });
    lines.push(match config.delivery.on_incompatible {
        OnIncompatible::Halt => {
            "- A schema that the registry rejects stops delivery before the change (`on_incompatible = \"halt\"`).".to_owned()
        }
        OnIncompatible::NewSubject => {
            "- A table whose schema the registry rejects continues in the topic `<topic>.v2`, and so on, with subjects of its own \
             (`on_incompatible = \"new_subject\"`)."
                .to_owned()
        }
    });
    lines
}

fn compatibility(levels: &Levels) -> String {
    let of_all = levels.of_all.as_deref().map_or("none reported".to_owned(), code);
    let own = levels.own.iter();
    let own: Vec<String> = own
        .map(|(subject, level)| format!("; {} for {}", code(level), code(subject)))
        .collect();
    format!("- Compatibility: {of_all}{}.", own.concat())
}

/// Value of a setting as the configuration writes it.
pub(super) fn word(setting: &impl Serialize) -> String {
    match serde_json::to_value(setting) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}
