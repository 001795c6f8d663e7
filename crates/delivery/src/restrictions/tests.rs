//! Restrictions that tables were captured with, and those that came later.

use std::collections::{BTreeMap, BTreeSet};

use walcast_mapper::TableName;

use super::*;
use crate::source_state::{PublicationState, fixture};

fn orders() -> TableName {
    TableName {
        namespace: "public".to_owned(),
        name: "orders".to_owned(),
    }
}

fn filter(text: &str) -> Restriction {
    Restriction {
        filter: Some(text.to_owned()),
        columns: None,
    }
}

fn columns(numbers: impl IntoIterator<Item = i16>) -> Restriction {
    Restriction {
        filter: None,
        columns: Some(numbers.into_iter().collect()),
    }
}

/// Source whose table `orders` (OID 1) has a restriction.
fn source_state(restriction: Option<Restriction>) -> SourceState {
    SourceState {
        publication: Some(PublicationState {
            all_tables: false,
            tables: vec![orders()],
            unpublished: Vec::new(),
            restricted: restriction
                .into_iter()
                .map(|restriction| (orders(), restriction))
                .collect::<BTreeMap<_, _>>(),
        }),
        ..fixture::source_state([fixture::captured(orders(), 1)])
    }
}

/// Findings as text, with their positions, if no restriction was recorded before the end of WAL at `after`.
fn found(restrictions: &Restrictions, now: &SourceState, after: u64) -> Vec<String> {
    let findings = restrictions.findings(now, "shop", Lsn::new(after)).into_iter();
    let text = |found: Drifted| match found.finding {
        Halt::Restricted { by, sql, .. } => {
            format!(
                "{by} after {}, {}",
                found.after,
                if sql.is_some() { "removable" } else { "changed" }
            )
        }
        other => other.to_string(),
    };
    findings.map(text).collect()
}

#[test]
fn a_restriction_from_the_start_is_no_finding() {
    for restriction in [filter("region = 'eu'"), columns([1, 2])] {
        let state = source_state(Some(restriction));
        assert_eq!(found(&Restrictions::of(&state), &state, 5), Vec::<String>::new());
    }
    // Of more columns, nothing is hidden that was delivered.
    let two = Restrictions::of(&source_state(Some(columns([1, 2]))));
    assert!(found(&two, &source_state(Some(columns([1, 2, 3]))), 5).is_empty());
    assert!(found(&two, &source_state(None), 5).is_empty());
    assert_eq!(
        found(&two, &source_state(Some(columns([1]))), 5),
        ["a column list after 0/5, changed"]
    );
}

#[test]
fn a_later_restriction_is_a_finding_with_the_position_of_its_first_detection() {
    let mut restrictions = Restrictions::of(&source_state(None));
    let filtered = source_state(Some(filter("region = 'eu'")));
    let first = ["a row filter after 0/5, removable"];
    assert_eq!(found(&restrictions, &filtered, 5), first);
    assert!(restrictions.record(&filtered, Lsn::new(5)));
    assert!(
        !restrictions.record(&filtered, Lsn::new(6)),
        "nothing has changed"
    );
    assert_eq!(found(&restrictions, &filtered, 7), first);

    // As a restart finds them.
    let json = serde_json::to_string(&restrictions).unwrap();
    assert_eq!(json, r#"{"1":{"later":{"by":"filter","after":"0/5"}}}"#);
    let stored: Restrictions = serde_json::from_str(&json).unwrap();
    let known = BTreeSet::from([Oid::new(1)]);
    let mut restrictions = Restrictions::adopt(Some(&stored), &filtered, Some(&known));
    assert_eq!(found(&restrictions, &filtered, 9), first);
    assert_eq!(restrictions.recorded(&source_state(None), "shop").len(), 1);

    let listed = source_state(Some(columns([1, 2])));
    assert_eq!(
        found(&restrictions, &listed, 9),
        ["a column list after 0/9, removable"]
    );
    assert!(restrictions.record(&source_state(None), Lsn::new(10)));
    assert_eq!(restrictions, Restrictions::default());
}

#[test]
fn a_newly_captured_table_is_used_as_it_is() {
    let filtered = source_state(Some(filter("region = 'eu'")));
    let restrictions = Restrictions::adopt(Some(&Restrictions::default()), &filtered, Some(&BTreeSet::new()));
    assert!(found(&restrictions, &filtered, 5).is_empty());
    let another = source_state(Some(filter("region = 'us'")));
    assert_eq!(
        found(&restrictions, &another, 5),
        ["a row filter after 0/5, changed"]
    );
    let json = serde_json::to_string(&restrictions).unwrap();
    assert_eq!(json, r#"{"1":{"accepted":{"filter":"region = 'eu'"}}}"#);
}
