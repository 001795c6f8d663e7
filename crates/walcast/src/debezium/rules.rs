//! The table: every property of Debezium's Postgres connector 3.3 and of what is usually set beside it, in the order of
//! its documentation. docs/debezium.md shows it; a test compares the two.

mod connect;
mod connection;
mod converters;
mod kafka;
mod replication;
mod selection;
mod shapes;
mod signals;
mod snapshot;
mod streaming;
mod transforms;
mod types;

use super::rule::Rule;

/// A part of the table.
pub(super) struct Section {
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the manual shows it, which a test compares")
    )]
    pub(super) heading: &'static str,
    pub(super) rules: &'static [Rule],
}

/// The connector's own properties, and those of the framework that stand among them.
pub(super) const SECTIONS: [Section; 10] = [
    Section {
        heading: "Connection",
        rules: connection::RULES,
    },
    Section {
        heading: "Slot and publication",
        rules: replication::RULES,
    },
    Section {
        heading: "Snapshots",
        rules: snapshot::RULES,
    },
    Section {
        heading: "Signals and notifications",
        rules: signals::RULES,
    },
    Section {
        heading: "Streaming",
        rules: streaming::RULES,
    },
    Section {
        heading: "Tables, columns, keys",
        rules: selection::RULES,
    },
    Section {
        heading: "Values",
        rules: types::RULES,
    },
    Section {
        heading: "Names and envelope",
        rules: shapes::RULES,
    },
    Section {
        heading: "Transforms",
        rules: transforms::RULES,
    },
    Section {
        heading: "Kafka Connect",
        rules: connect::RULES,
    },
];

/// The properties of the Connect worker.
pub(super) const WORKER: Section = Section {
    heading: "The Connect worker",
    rules: kafka::RULES,
};
