//! Types that are not built in, with the types they rest on.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};
use walcast_mapper::{ColumnFacts, TypeFacts, TypeKind};
use walcast_pgoutput::Oid;

use super::query::{oid, rows, value};
use crate::error::PostgresError;

const DOING: &str = "looking at types";

/// Numbers below are given out when a cluster is made: built-in objects. (`FirstNormalObjectId` of access/transam.h.)
const FIRST_OWN_OID: u32 = 16_384;

/// The wanted types and those they rest on. A true array has variable length and elements; `name` and `point` have
/// elements too.
const TYPES: &str = r"
WITH RECURSIVE wanted (oid) AS (
    SELECT unnest($1::oid[])
    UNION
    SELECT below.oid
    FROM wanted JOIN pg_type t ON t.oid = wanted.oid
    CROSS JOIN LATERAL (VALUES (t.typelem), (t.typbasetype)) AS below (oid)
    WHERE below.oid <> 0
)
SELECT t.oid, n.nspname::text, t.typname::text,
       CASE WHEN t.typlen = -1 AND t.typelem <> 0 THEN 'a' ELSE t.typtype::text END,
       CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.typelem END,
       t.typtypmod, t.typnotnull,
       ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder),
       t.typdelim::text
FROM wanted JOIN pg_type t USING (oid) JOIN pg_namespace n ON n.oid = t.typnamespace";

/// What is known of the types of a table's columns.
pub(super) struct Types {
    /// Those that are not built in.
    pub(super) facts: BTreeMap<Oid, TypeFacts>,
    /// Domains that refuse null, themselves or by a domain they rest on.
    pub(super) refusing_null: BTreeSet<Oid>,
}

/// Asks for the types of columns, and recursively those that they rest on.
pub(super) async fn of_columns(client: &Client, columns: &[ColumnFacts]) -> Result<Types, PostgresError> {
    let wanted: BTreeSet<u32> = columns.iter().map(|column| column.type_oid.as_u32()).collect();
    let wanted: Vec<u32> = wanted.into_iter().collect();
    let mut facts = BTreeMap::new();
    let mut not_null = BTreeSet::new();
    for row in rows(client, DOING, TYPES, &[(&wanted, Type::OID_ARRAY)]).await? {
        let number = oid(DOING, &row, 0)?;
        let one = type_facts(&row)?;
        if value(DOING, &row, 6)? {
            not_null.insert(number);
        }
        if number.as_u32() >= FIRST_OWN_OID || matches!(one.kind, TypeKind::Domain { .. }) {
            facts.insert(number, one);
        }
    }
    let refusing_null = facts
        .keys()
        .copied()
        .filter(|number| refuses_null(*number, &facts, &not_null))
        .collect();
    Ok(Types { facts, refusing_null })
}

fn type_facts(row: &Row) -> Result<TypeFacts, PostgresError> {
    let kind: String = value(DOING, row, 3)?;
    let below = oid(DOING, row, 4)?;
    Ok(TypeFacts {
        namespace: value(DOING, row, 1)?,
        name: value(DOING, row, 2)?,
        kind: match kind.as_str() {
            "a" => TypeKind::Array {
                element: below,
                delimiter: value::<String>(DOING, row, 8)?.bytes().next().unwrap_or(b','),
            },
            "c" => TypeKind::Composite,
            "d" => TypeKind::Domain {
                base: below,
                base_modifier: value(DOING, row, 5)?,
            },
            "e" => TypeKind::Enum {
                labels: value(DOING, row, 7)?,
            },
            "r" | "m" => TypeKind::Range,
            // Base types of extensions; pseudo types cannot be a column's.
            _ => TypeKind::Base,
        },
    })
}

fn refuses_null(number: Oid, facts: &BTreeMap<Oid, TypeFacts>, not_null: &BTreeSet<Oid>) -> bool {
    let mut number = number;
    // A domain cannot rest on itself, so this ends; the bound keeps a catalog that says otherwise from hanging us.
    for _ in 0..=facts.len() {
        let Some(TypeKind::Domain { base, .. }) = facts.get(&number).map(|facts| &facts.kind) else {
            return false;
        };
        if not_null.contains(&number) {
            return true;
        }
        number = *base;
    }
    false
}
