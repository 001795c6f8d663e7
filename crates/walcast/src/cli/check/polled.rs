//! Findings about a connector whose outboxes are polled. It needs no slot, no publication and no replication privilege.

use walcast_delivery::Precondition;

use super::finding::Finding;
use super::plans;
use crate::config::Config;

/// Findings about Postgres, then Kafka and the schema registry, then the records.
pub(super) async fn findings(config: &Config) -> anyhow::Result<Vec<Finding>> {
    let preconditions = walcast_postgres::polled_preconditions(&config.postgres, &config.polled).await?;
    let of_postgres = preconditions.into_iter().map(|found| Precondition {
        name: format!("postgres {}", found.name),
        ..found
    });
    let mut findings: Vec<Finding> = of_postgres.map(Finding::from).collect();
    let preconditions = walcast_kafka::preconditions(&config.kafka, config.registry.as_ref(), &[]).await;
    findings.extend(preconditions.into_iter().map(Finding::from));
    // If the query fails, another finding contains the reason.
    let tables = walcast_postgres::polled_tables(&config.postgres, &config.polled).await;
    let relations: Vec<_> = tables
        .unwrap_or_default()
        .into_iter()
        .map(|table| (table.relation, table.metadata))
        .collect();
    findings.extend(plans::findings(config, &relations).await);
    Ok(findings)
}
