//! Findings about the records of tables: plans that cannot be made, records without a key, schemas that are not registered.

use std::collections::BTreeSet;

use walcast_delivery::{SchemaRegistry, SnapshotMode};
use walcast_kafka::{Registry, compacted_topics};
use walcast_mapper::config::Operation;
use walcast_mapper::{MapError, Plan, TableMetadata, TableName, WithoutKey};
use walcast_pgoutput::Relation;

use super::finding::Finding;
use crate::config::Config;
use crate::remedy::describe;

/// Tables whose changes would halt the connector, become dead letters or quarantine the table. Tables without such a fault are not
/// listed.
pub(super) async fn findings(config: &Config, relations: &[(Relation, TableMetadata)]) -> Vec<Finding> {
    let (mut plans, mut findings) = (Vec::new(), Vec::new());
    for (relation, metadata) in relations {
        match Plan::compile(relation, metadata, &config.mapper) {
            Ok(plan)
                if plan.check_order().is_err() && config.delivery.snapshot.mode != SnapshotMode::Never =>
            {
                findings.extend(plan.check_order().err().map(|error| Finding {
                    name: format!("existing rows of {}", plan.table()),
                    ok: true,
                    warning: true,
                    detail: describe(&error),
                }));
            }
            // The rows of an outbox name their topics.
            Ok(plan) if plan.outbox_updates().is_some() => {}
            Ok(plan) => plans.push(plan),
            Err(error) => findings.push(of_table(config, &TableName::from(relation), describe(&error))),
        }
    }
    findings.extend(without_keys(config, &plans).await);
    findings.extend(unregistered(config, &plans).await);
    findings
}

fn of_table(config: &Config, table: &TableName, detail: String) -> Finding {
    let continues = !config.delivery.dead_letters.halts(table);
    Finding {
        name: format!("records of {table}"),
        ok: continues,
        warning: continues,
        detail,
    }
}

/// Tables with records that have no key, while their topics are compacted.
async fn without_keys(config: &Config, plans: &[Plan]) -> Vec<Finding> {
    let sends_truncations = config.mapper.events.operations.contains(&Operation::Truncate);
    let concerned = plans.iter().filter_map(|plan| match plan.has_key() {
        false => Some((plan, WithoutKey::Row)),
        true => sends_truncations.then_some((plan, WithoutKey::Truncation)),
    });
    let concerned: Vec<(&Plan, WithoutKey)> = concerned.collect();
    let topics: BTreeSet<String> = concerned
        .iter()
        .map(|(plan, _)| plan.topic().to_owned())
        .collect();
    if topics.is_empty() {
        return Vec::new();
    }
    // If Kafka does not answer, the other findings contain the reason.
    let compacted = compacted_topics(&config.kafka, &topics).await.unwrap_or_default();
    let missing = |(plan, of): (&Plan, WithoutKey)| {
        compacted.contains(plan.topic()).then(|| {
            let error = MapError::KeyMissing {
                table: plan.table().clone(),
                topic: plan.topic().to_owned(),
                of,
            };
            of_table(config, plan.table(), describe(&error))
        })
    };
    concerned.into_iter().filter_map(missing).collect()
}

/// Tables whose schemas are only looked up, and are not registered.
async fn unregistered(config: &Config, plans: &[Plan]) -> Vec<Finding> {
    let looked_up = config
        .registry
        .as_ref()
        .filter(|registry| !registry.auto_register);
    let Some(mut registry) = looked_up.and_then(|registry| Registry::new(registry).ok()) else {
        return Vec::new();
    };
    // If the registry does not answer, another finding contains the reason.
    if registry.probe().await.is_err() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for plan in plans {
        for (part, schema) in [("key", plan.key_schema()), ("value", plan.value_schema())] {
            let Some(schema) = schema else { continue };
            let subject = format!("{}-{part}", plan.topic());
            if let Err(error) = registry.register(&subject, schema).await {
                findings.push(of_table(config, plan.table(), describe(&error)));
            }
        }
    }
    findings
}
