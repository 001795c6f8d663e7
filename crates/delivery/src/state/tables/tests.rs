use std::collections::BTreeMap;

use walcast_mapper::{Ordinal, TableName};
use walcast_pgoutput::{Lsn, Oid};

use super::{TableState, TablesState};
use crate::quarantine::{Quarantine, QuarantinePhase, QuarantineReason, Quarantines};
use crate::schema_history::ChangePosition;
use crate::source_state::{Persistence, PublicationState, SourceState, fixture};

fn table(name: &str) -> TableName {
    TableName {
        namespace: "public".to_owned(),
        name: name.to_owned(),
    }
}

/// Words of the states, by table.
fn words(state: &TablesState, reading: &[TableName], is_streaming: bool) -> String {
    let states = state.read(reading.iter(), is_streaming);
    let words = states
        .iter()
        .map(|(table, state)| format!("{}={}", table.name, state.word()));
    words.collect::<Vec<_>>().join(" ")
}

fn quarantine(name: &str, phase: QuarantinePhase) -> Quarantine {
    Quarantine {
        table: table(name),
        since: ChangePosition {
            commit_lsn: Lsn::new(100),
            ordinal: Ordinal::new(0),
        },
        lsn: Lsn::new(99),
        of_rows: false,
        reason: QuarantineReason::Mapping,
        error: String::new(),
        phase,
        entered_at_unix_micros: 1,
        missing_since: None,
    }
}

/// Source with the published tables `items` and `prices`, the unpublished table `later`, and `scratch`, which is not logged.
fn source_state() -> SourceState {
    let captured = |name: &str, oid| fixture::captured(table(name), oid);
    let mut scratch = captured("scratch", 4);
    scratch.persistence = Persistence::Unlogged;
    SourceState {
        publication: Some(PublicationState {
            all_tables: false,
            tables: vec![table("items"), table("prices")],
            unpublished: Vec::new(),
            restricted: BTreeMap::new(),
        }),
        ..fixture::source_state([
            captured("items", 1),
            captured("prices", 2),
            captured("later", 3),
            scratch,
        ])
    }
}

#[test]
fn each_captured_table_has_one_state() {
    let state = TablesState::default();
    assert_eq!(words(&state, &[], true), "");
    state.inspect(&source_state(), "walcast", true);
    assert_eq!(
        words(&state, &[], false),
        "items=captured later=captured prices=captured scratch=waiting_for_sql"
    );
    state.inspect(&source_state(), "walcast", false);
    assert_eq!(
        words(&state, &[table("items")], true),
        "items=reading later=waiting_for_sql prices=streaming scratch=waiting_for_sql"
    );
    let states = state.read([].iter(), true);
    let TableState::WaitingForSql(finding) = &states[&table("later")] else {
        panic!("{states:?}")
    };
    assert!(
        finding.to_string().contains("not in publication walcast"),
        "{finding}"
    );
}

#[test]
fn quarantine_is_shown_until_the_rows_are_read() {
    let state = TablesState::default();
    state.inspect(&source_state(), "walcast", true);
    let oid = Oid::new(2);
    state.set_quarantines(&Quarantines::from([(
        oid,
        quarantine("prices", QuarantinePhase::Skipping),
    )]));
    let quarantined = "items=streaming later=streaming prices=quarantined scratch=waiting_for_sql";
    assert_eq!(words(&state, &[], true), quarantined);
    state.set_quarantines(&Quarantines::from([(
        oid,
        quarantine("prices", QuarantinePhase::Reading),
    )]));
    assert_eq!(
        words(&state, &[table("prices")], true),
        "items=streaming later=streaming prices=reading scratch=waiting_for_sql"
    );
    state.set_quarantines(&Quarantines::new());
    assert_eq!(
        words(&state, &[], true),
        "items=streaming later=streaming prices=streaming scratch=waiting_for_sql"
    );
}
