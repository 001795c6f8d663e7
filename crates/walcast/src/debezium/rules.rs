//! Translation table: the properties of Debezium's Postgres connector 3.3 and 3.6, of Kafka Connect and of common transforms, in the
//! order of Debezium's documentation. A test compares the table with docs/debezium.md.

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

/// Section of the table.
pub(super) struct Section {
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the manual shows it, which a test compares")
    )]
    pub(super) heading: &'static str,
    pub(super) rules: &'static [Rule],
}

/// Properties in the connector's configuration, including those of Kafka Connect.
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

/// Properties of the Connect worker.
pub(super) const WORKER: Section = Section {
    heading: "The Connect worker",
    rules: kafka::RULES,
};
