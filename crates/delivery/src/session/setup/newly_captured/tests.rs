//! Which tables count as known after an inspection.

use std::collections::{BTreeMap, BTreeSet};

use walcast_mapper::TableName;
use walcast_pgoutput::Oid;

use super::{NewlyCaptured, known_now};
use crate::source_state::{PublicationState, SourceState, fixture};

fn name(table: &str) -> TableName {
    TableName {
        namespace: "public".to_owned(),
        name: table.to_owned(),
    }
}

/// Source that captures these tables and publishes some of them.
fn source_state(captured: &[(&str, u32)], published: &[&str]) -> SourceState {
    let captured = captured
        .iter()
        .map(|(table, oid)| fixture::captured(name(table), *oid));
    SourceState {
        publication: Some(PublicationState {
            all_tables: false,
            tables: published.iter().map(|table| name(table)).collect(),
            unpublished: Vec::new(),
            restricted: BTreeMap::new(),
        }),
        ..fixture::source_state(captured)
    }
}

const TABLES: [(&str, u32); 2] = [("orders", 1), ("invoices", 2)];

/// Another client publishes a table between the two inspections: its rows were not requested, so it is not known yet.
#[test]
fn a_table_that_is_published_between_two_inspections_is_read_after_the_next() {
    let known = BTreeSet::from([Oid::new(1)]);
    let first = source_state(&TABLES, &["orders"]);
    let new = NewlyCaptured::find(&first, &known, None);
    assert_eq!(
        (new.unpublished, new.published.clone()),
        (vec![name("invoices")], vec![])
    );
    let second = source_state(&TABLES, &["orders", "invoices"]);
    assert_eq!(known_now(&second, &known, &new.published), known);
    let new = NewlyCaptured::find(&second, &known, None);
    assert_eq!(new.published, [name("invoices")]);
    let both = BTreeSet::from([Oid::new(1), Oid::new(2)]);
    assert_eq!(known_now(&second, &known, &new.published), both);
}
