//! Types that are not built in, with their element and base types.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::types::Type;
use walcast_mapper::{TypeKind, TypeMetadata};
use walcast_pgoutput::Oid;

use super::catalog_row::CatalogRow;
use super::query::{oid, rows, value};
use crate::connect::Client;
use crate::error::PostgresError;

const DOING: &str = "reading types";

/// First OID that is not a built-in object's (`FirstNormalObjectId` of access/transam.h).
const FIRST_OWN_OID: u32 = 16_384;

/// Requested types, and their element and base types. A true array has a variable length and elements; `name` and `point` have
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

/// Types of columns.
pub(super) struct Types {
    /// Types that are not built in.
    pub(super) facts: BTreeMap<Oid, TypeMetadata>,
    /// Domains that reject null, by their own constraint or by that of a base domain.
    pub(super) rejecting_null: BTreeSet<Oid>,
}

/// Types by their OIDs, and recursively their element and base types. A type that was dropped is not among them.
pub(super) async fn of(client: &Client, wanted: &BTreeSet<u32>) -> Result<Types, PostgresError> {
    let wanted: Vec<u32> = wanted.iter().copied().collect();
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
    let rejecting_null = facts
        .keys()
        .copied()
        .filter(|number| rejects_null(*number, &facts, &not_null))
        .collect();
    Ok(Types {
        facts,
        rejecting_null,
    })
}

fn type_facts(row: &CatalogRow) -> Result<TypeMetadata, PostgresError> {
    let kind: String = value(DOING, row, 3)?;
    let below = oid(DOING, row, 4)?;
    Ok(TypeMetadata {
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
            // Base types of extensions; a column cannot have a pseudo-type.
            _ => TypeKind::Base,
        },
    })
}

fn rejects_null(number: Oid, facts: &BTreeMap<Oid, TypeMetadata>, not_null: &BTreeSet<Oid>) -> bool {
    let mut number = number;
    // A domain cannot be based on itself, so the loop ends; the bound guards against a corrupt catalog.
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
