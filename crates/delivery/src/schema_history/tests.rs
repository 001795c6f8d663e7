//! The schema history of a session.

use std::collections::{BTreeMap, BTreeSet};

use walcast_mapper::{Ordinal, TableMetadata};
use walcast_pgoutput::{Lsn, Oid, Relation, RelationColumn, ReplicaIdentity};

use super::stored::StoredHistory;
use super::{ChangePosition, SCHEMAS_MAX, SchemaChanges, SchemaHistory, TableHistory};

const TABLE: Oid = Oid::new(16_400);

fn at(commit_lsn: u64, ordinal: u64) -> ChangePosition {
    ChangePosition {
        commit_lsn: Lsn::new(commit_lsn),
        ordinal: Ordinal::new(ordinal),
    }
}

fn relation(columns: &[&str]) -> Relation {
    let columns = columns.iter().map(|name| RelationColumn {
        is_key: *name == "id",
        name: (*name).to_owned(),
        type_oid: Oid::new(23),
        type_modifier: -1,
    });
    Relation {
        xid: None,
        oid: TABLE,
        namespace: "public".to_owned(),
        name: "orders".to_owned(),
        replica_identity: ReplicaIdentity::Default,
        columns: columns.collect(),
    }
}

fn keyed(columns: &[&str]) -> TableMetadata {
    TableMetadata {
        key_columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        ..TableMetadata::default()
    }
}

fn history() -> SchemaHistory {
    SchemaHistory::new(BTreeMap::new(), &BTreeSet::new(), Lsn::INVALID, Lsn::new(1))
}

fn positions(changes: &SchemaChanges) -> Vec<ChangePosition> {
    let history = changes.get(&TABLE).and_then(Option::as_ref).unwrap();
    history.schemas.iter().map(|schema| schema.since).collect()
}

#[test]
fn a_change_that_is_delivered_again_has_the_schema_of_the_first_time() {
    let mut history = history();
    let both = relation(&["id", "v"]);
    history.record(&both, &keyed(&["id"]), at(100, 3));
    history.record(&both, &keyed(&["id", "v"]), at(200, 1));
    let keys = |position| {
        let metadata = history.delivered_with(&both, position);
        metadata.map(|metadata| metadata.key_columns.clone())
    };
    assert_eq!(keys(at(100, 2)), None, "before the first schema");
    assert_eq!(keys(at(100, 3)), Some(vec!["id".to_owned()]));
    assert_eq!(keys(at(200, 0)), Some(vec!["id".to_owned()]));
    // The last schema is in use: the catalog may have a later one.
    assert_eq!(keys(at(200, 1)), None);
    assert!(history.delivered_with(&relation(&["id"]), at(150, 0)).is_none());
    assert!(history.nearest(TABLE, at(50, 0)).is_some());
}

/// A replay knows that every change was delivered, so that the last schema is known too.
#[test]
fn delivered_changes_have_the_last_schema_too() {
    let mut recorded = history();
    let both = relation(&["id", "v"]);
    recorded.record(&both, &keyed(&["id"]), at(100, 3));
    recorded.record(&both, &keyed(&["id", "v"]), at(200, 1));
    let stored = recorded.take_changes();
    let stored = stored
        .into_iter()
        .filter_map(|(table, history)| Some((table, history?)));
    let history = SchemaHistory::of_delivered(stored.collect());
    let keys = |position| {
        let metadata = history.delivered_with(&both, position);
        metadata.map(|metadata| metadata.key_columns.len())
    };
    assert_eq!(keys(at(100, 2)), None);
    assert_eq!(
        (keys(at(100, 3)), keys(at(200, 1)), keys(at(900, 0))),
        (Some(1), Some(2), Some(2))
    );
    assert!(history.delivered_with(&relation(&["id"]), at(900, 0)).is_none());
    assert_eq!(history.next_schema_after(TABLE, at(50, 0)), Some(at(100, 3)));
    assert_eq!(history.next_schema_after(TABLE, at(100, 3)), Some(at(200, 1)));
    assert_eq!(history.next_schema_after(TABLE, at(200, 1)), None);
}

#[test]
fn a_schema_is_recorded_once_and_in_order() {
    let mut history = history();
    let orders = relation(&["id"]);
    history.record(&orders, &keyed(&["id"]), at(100, 0));
    assert!(history.has_changes());
    assert_eq!(positions(&history.take_changes()), [at(100, 0)]);
    history.record(&orders, &keyed(&["id"]), at(300, 0));
    history.record(&orders, &keyed(&[]), at(50, 0));
    assert!(!history.has_changes());
    history.record(&orders, &keyed(&[]), at(100, 0));
    assert_eq!(positions(&history.take_changes()), [at(100, 0)]);
    history.record(&relation(&["id", "v"]), &keyed(&[]), at(400, 0));
    assert_eq!(positions(&history.take_changes()), [at(100, 0), at(400, 0)]);
}

#[test]
fn schemas_of_changes_that_cannot_be_streamed_again_are_dropped() {
    let mut history = SchemaHistory::new(
        BTreeMap::new(),
        &BTreeSet::from([TABLE]),
        Lsn::new(250),
        Lsn::new(500),
    );
    for (position, column) in [(100, "a"), (200, "b"), (300, "c"), (400, "d")] {
        history.record(&relation(&["id", column]), &keyed(&["id"]), at(position, 0));
    }
    assert_eq!(
        positions(&history.take_changes()),
        [at(200, 0), at(300, 0), at(400, 0)]
    );
    for number in 0..200 {
        let name = format!("c{number}");
        history.record(&relation(&[&name]), &keyed(&[]), at(1000 + number, 0));
    }
    assert_eq!(positions(&history.take_changes()).len(), SCHEMAS_MAX);
}

#[test]
fn a_table_that_is_gone_is_kept_until_its_changes_are_delivered() {
    let mut first = history();
    first.record(&relation(&["id"]), &keyed(&["id"]), at(100, 0));
    let stored: BTreeMap<Oid, TableHistory> =
        BTreeMap::from([(TABLE, first.take_changes().remove(&TABLE).flatten().unwrap())]);
    let session = |stored: &BTreeMap<Oid, TableHistory>, confirmed| {
        SchemaHistory::new(
            stored.clone(),
            &BTreeSet::new(),
            Lsn::new(confirmed),
            Lsn::new(500),
        )
        .take_changes()
    };
    let missed = session(&stored, 150).remove(&TABLE).flatten().unwrap();
    assert_eq!(missed.missing_since, Some(Lsn::new(500)));
    let stored = BTreeMap::from([(TABLE, missed)]);
    assert!(session(&stored, 499).is_empty());
    assert_eq!(session(&stored, 500), SchemaChanges::from([(TABLE, None)]));
}

#[test]
fn a_history_is_read_as_it_was_stored() {
    let text = r#"{"version":1,"schemas":[{"commit_lsn":"0/64","ordinal":3,"namespace":"public","name":"orders","replica_identity":"full","columns":[{"name":"id","type":20001,"modifier":-1,"is_key":true,"catalog":{"type":20001,"modifier":-1,"not_null":true,"default":"'a'::mood"}},{"name":"gone","type":20002,"modifier":4}],"key":["id"],"types":[{"oid":20001,"namespace":"public","name":"mood","kind":{"enum":{"labels":["a","b"]}}},{"oid":20002,"namespace":"public","name":"hstore","kind":"base"},{"oid":20003,"namespace":"public","name":"price","kind":{"domain":{"base":1700,"modifier":8}}},{"oid":20004,"namespace":"public","name":"_mood","kind":{"array":{"element":20001,"delimiter":44}}}],"former_labels":[20001]}],"missing_since":"0/C8"}"#;
    let stored: StoredHistory = serde_json::from_str(text).unwrap();
    let history = stored.into_history(TABLE);
    let again = serde_json::to_string(&StoredHistory::of(1, &history)).unwrap();
    assert_eq!(again, text);
    assert_eq!(history.schemas[0].since, at(100, 3));
    assert_eq!(history.schemas[0].relation.oid, TABLE);
    assert_eq!(history.schemas[0].metadata.columns.len(), 1);
}
