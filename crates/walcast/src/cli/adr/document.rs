//! The record: its sections in their order.

use super::asked::Asked;
use super::markdown::{code, row};
use super::{delivery, operation, polled, stores};
use crate::config::Config;

/// The record as Markdown. Equal configurations and answers make equal texts.
pub(super) fn document(config: &Config, asked: &Asked) -> String {
    let mut lines = head(config);
    let operation = match config.polled.is_empty() {
        true => [
            ("Snapshots", operation::snapshots(config)),
            ("Lag", operation::lag(config)),
            ("Verification", operation::verification(config)),
            ("Retention and replay", operation::replay(config)),
        ],
        false => [
            ("Snapshots", polled::snapshots()),
            ("Lag", polled::lag(config)),
            ("Verification", polled::verification()),
            ("Retention and replay", polled::replay(config)),
        ],
    };
    let (delivery, id) = match config.polled.is_empty() {
        true => (delivery::delivery(config), "walcast.id"),
        false => (polled::delivery(config), "id"),
    };
    let sections = [
        ("Stores", stores::stores(config)),
        ("What is derived", stores::derived(config, asked)),
        ("Delivery", delivery),
        ("Versions of schemas", delivery::versions(config, asked)),
    ];
    let last = [("State", state(asked)), ("Consequences", consequences(id))];
    for (title, section) in sections.into_iter().chain(operation).chain(last) {
        lines.push(String::new());
        lines.push(format!("## {title}"));
        lines.push(String::new());
        lines.extend(section);
    }
    lines.push(String::new());
    lines.join("\n")
}

fn head(config: &Config) -> Vec<String> {
    let database = code(config.postgres.connect.database());
    vec![
        format!(
            "# Changes of database {database} in Kafka, by connector {}",
            code(&config.name)
        ),
        String::new(),
        "- Status: proposed".to_owned(),
        "- Date: [date]".to_owned(),
        "- Decided by: [names]".to_owned(),
        String::new(),
        "`walcast adr` has filled this in from the configuration and from the answers of the servers; texts in square brackets are \
         left to the authors."
            .to_owned(),
        String::new(),
        "## Context".to_owned(),
        String::new(),
        "[Who needs the changes, what was considered instead, and why this was chosen. docs/patterns.md of walcast compares \
         capturing tables, an outbox, and events as the source of truth.]"
            .to_owned(),
    ]
}

/// What the servers report beyond the configuration, and what they were not asked or did not answer.
fn state(asked: &Asked) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(running) = &asked.connector {
        lines.push(format!(
            "The connector runs with walcast {}; captured tables: {}.",
            running.version,
            running.tables.len()
        ));
        let needs_attention = |state: &str| matches!(state, "quarantined" | "waiting_for_sql");
        for table in &running.tables {
            if needs_attention(&table.state) {
                lines.push(format!("- {} is `{}`.", code(&table.table), table.state));
            }
        }
    }
    if !asked.unanswered.is_empty() {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.push("Not answered, and therefore not in this record:".to_owned());
        lines.push(String::new());
        lines.push(row(["asked", "lacking here", "reason"].map(str::to_owned)));
        lines.push("|---|---|---|".to_owned());
        for unanswered in &asked.unanswered {
            let cells = [
                unanswered.what.to_owned(),
                unanswered.lacks.to_owned(),
                code(&unanswered.reason),
            ];
            lines.push(row(cells));
        }
    }
    lines
}

fn consequences(id: &str) -> Vec<String> {
    let first = format!(
        "- Consumers read with `isolation.level=read_committed`, and process a record idempotently by its header `{id}`."
    );
    let texts = [
        "- What consumers hold is derived: it can be rebuilt from the topics, and where they lack records, from the database.",
        "- Reads of derived data lag behind the database; what has to see its own writes reads the database.",
        "- [What this makes harder, and what will be decided later.]",
    ];
    [vec![first], texts.map(str::to_owned).to_vec()].concat()
}
