use std::collections::BTreeSet;

use walcast_mapper::{MapperConfig, TableName};
use walcast_pgoutput::Oid;

use super::*;
use crate::source_state::fixture;

fn name(table: &str) -> TableName {
    TableName {
        namespace: "public".to_owned(),
        name: table.to_owned(),
    }
}

/// Tables that are left out of a state with `cart` and `order`, both of whose topics the outbox has used, `item`, and an event
/// store that was created again.
fn left_out(known: Option<&[u32]>) -> (Vec<String>, usize) {
    let mut mapper = MapperConfig::new("shop", "shop");
    mapper.outboxes = vec![serde_json::from_str(r#"{"tables": "public.outbox"}"#).unwrap()];
    mapper.event_stores = vec![serde_json::from_str(r#"{"tables": "public.events"}"#).unwrap()];
    let topics = OutboxTopics::default();
    for topic in ["shop.public.cart", "shop.public.order", "shop.public.outbox"] {
        topics.add(topic, &name("outbox"));
    }
    topics.add("shop.public.events", &name("events"));
    let tables = [
        (1, "cart"),
        (2, "item"),
        (3, "order"),
        (4, "outbox"),
        (5, "events"),
    ];
    let tables = tables.map(|(oid, table)| fixture::captured(name(table), oid));
    let mut source_state = fixture::source_state(tables);
    let known = known.map(|known| known.iter().map(|oid| Oid::new(*oid)).collect::<BTreeSet<_>>());
    let findings = topics.leave_out(&mut source_state, known.as_ref(), &mapper);
    let findings = findings.iter().map(ToString::to_string).collect();
    (findings, source_state.captured.len())
}

#[test]
fn a_new_table_whose_topic_holds_events_is_left_out() {
    let (findings, kept) = left_out(Some(&[3]));
    assert_eq!(
        findings,
        [
            "rows of public.cart would be written to topic shop.public.cart, which holds events of outbox public.outbox"
        ]
    );
    assert_eq!(kept, 4);
}

/// What was captured before is promised, and an outbox cannot write to its topic.
#[test]
fn known_tables_stay() {
    assert_eq!(left_out(Some(&[1, 2, 3, 4, 5])), (Vec::new(), 5));
    assert_eq!(left_out(None), (Vec::new(), 5));
}
