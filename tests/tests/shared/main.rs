//! Tests of the connector on a broker and a registry that they share; the topic prefix separates them. Many share a source as
//! well, each with a database of its own.

mod admin;
mod behind_the_catalog;
mod commands;
mod compacted_topics;
mod dead_letters;
mod drift;
mod first_contact;
mod halts;
mod heartbeats;
mod history;
mod hostile;
mod idle;
mod large_transaction;
mod least_privilege;
mod memory;
mod messages;
mod partitions_that_come;
mod quarantine;
mod recovery;
mod refusals;
mod replay;
mod reselect;
mod role_settings;
mod schema_changes;
mod secrets;
mod selections;
mod snapshots;
mod tables_that_come;
mod under_fire;
mod verify;
mod versions;
mod vertical_slice;
