//! Column types that have several forms in records, of which a setting chooses one.

use std::collections::BTreeMap;

use walcast_mapper::{TableMetadata, TableName, TypeKind};
use walcast_pgoutput::{Oid, Relation};

/// Setting that chooses the form of a type, and the columns that it concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    /// Why a choice may be needed.
    pub(super) why: &'static str,
    /// Line of `[types]` with another choice than the default.
    pub(super) setting: &'static str,
    /// Columns, as `schema.table.column`.
    pub(super) columns: Vec<String>,
}

/// Kind of a type with several forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Numeric,
    Money,
    Interval,
    Hstore,
}

/// OIDs of built-in types and of their arrays (`pg_type.dat`). The metadata of a table has only types that a database defines.
const NUMERIC: [u32; 2] = [1700, 1231];
const MONEY: [u32; 2] = [790, 791];
const INTERVAL: [u32; 2] = [1186, 1187];

/// Type modifier of a type without one.
const NO_MODIFIER: i32 = -1;

impl Kind {
    const fn describe(self) -> (&'static str, &'static str) {
        match self {
            Kind::Numeric => (
                "numeric without precision and scale: each value carries its own scale, and NaN has no form",
                "decimal = \"string\"",
            ),
            Kind::Money => (
                "money: its fraction digits are those of lc_monetary of the server",
                "money_fraction_digits = 2",
            ),
            Kind::Interval => (
                "interval: microseconds are exact only without months and years",
                "interval = \"string\"",
            ),
            Kind::Hstore => ("hstore: JSON text, or a map", "hstore = \"map\""),
        }
    }
}

/// Decisions about the columns of these tables, in the order of the settings.
pub(super) fn decisions(relations: &[(Relation, TableMetadata)]) -> Vec<Decision> {
    let mut columns: BTreeMap<Kind, Vec<String>> = BTreeMap::new();
    for (relation, metadata) in relations {
        for column in &relation.columns {
            if let Some(kind) = kind(column.type_oid, column.type_modifier, metadata) {
                let name = format!("{}.{}", TableName::from(relation), column.name);
                columns.entry(kind).or_default().push(name);
            }
        }
    }
    let decision = |(kind, columns): (Kind, Vec<String>)| {
        let (why, setting) = kind.describe();
        Decision {
            why,
            setting,
            columns,
        }
    };
    columns.into_iter().map(decision).collect()
}

/// Kind of a type, through arrays and domains.
fn kind(oid: Oid, modifier: i32, metadata: &TableMetadata) -> Option<Kind> {
    let (mut oid, mut modifier) = (oid, modifier);
    // A type is not based on itself, so the loop ends; the bound guards against a corrupt catalog.
    for _ in 0..=metadata.types.len() {
        let number = oid.as_u32();
        if NUMERIC.contains(&number) {
            return (modifier == NO_MODIFIER).then_some(Kind::Numeric);
        }
        if MONEY.contains(&number) {
            return Some(Kind::Money);
        }
        if INTERVAL.contains(&number) {
            return Some(Kind::Interval);
        }
        let own = metadata.types.get(&oid)?;
        match own.kind {
            TypeKind::Domain { base, base_modifier } => (oid, modifier) = (base, base_modifier),
            TypeKind::Array { element, .. } => oid = element,
            _ => return (own.name == "hstore").then_some(Kind::Hstore),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use walcast_mapper::TypeMetadata;
    use walcast_pgoutput::{RelationColumn, ReplicaIdentity};

    use super::*;

    /// OIDs of types that a database defines.
    const PRICE: u32 = 20_001;
    const TAGS: u32 = 20_002;
    const PRICES: u32 = 20_003;
    const MOOD: u32 = 20_004;

    fn type_of(name: &str, kind: TypeKind) -> TypeMetadata {
        TypeMetadata {
            namespace: "public".to_owned(),
            name: name.to_owned(),
            kind,
        }
    }

    #[test]
    fn types_with_several_forms_are_found_through_domains_and_arrays() {
        let price = TypeKind::Domain {
            base: Oid::new(NUMERIC[0]),
            base_modifier: NO_MODIFIER,
        };
        let prices = TypeKind::Array {
            element: Oid::new(PRICE),
            delimiter: b',',
        };
        let types = BTreeMap::from([
            (Oid::new(PRICE), type_of("price", price)),
            (Oid::new(TAGS), type_of("hstore", TypeKind::Base)),
            (Oid::new(PRICES), type_of("_price", prices)),
            (Oid::new(MOOD), type_of("mood", TypeKind::Base)),
        ]);
        let columns = [
            ("id", 23, NO_MODIFIER),
            ("fixed", NUMERIC[0], 655_366),
            ("any", NUMERIC[0], NO_MODIFIER),
            ("list", NUMERIC[1], NO_MODIFIER),
            ("fixed_list", NUMERIC[1], 655_366),
            ("prices", PRICES, NO_MODIFIER),
            ("tags", TAGS, NO_MODIFIER),
            ("mood", MOOD, NO_MODIFIER),
            ("age", INTERVAL[0], NO_MODIFIER),
        ];
        let columns = columns.map(|(name, oid, type_modifier)| RelationColumn {
            is_key: false,
            name: name.to_owned(),
            type_oid: Oid::new(oid),
            type_modifier,
        });
        let relation = Relation {
            xid: None,
            oid: Oid::new(1),
            namespace: "public".to_owned(),
            name: "items".to_owned(),
            replica_identity: ReplicaIdentity::Default,
            columns: columns.into(),
        };
        let metadata = TableMetadata {
            columns: Vec::new(),
            key_columns: Vec::new(),
            unsent_key_columns: Vec::new(),
            types,
            former_labels: BTreeSet::new(),
        };
        let found = decisions(&[(relation, metadata)]);
        let found: Vec<(&str, String)> = found
            .iter()
            .map(|decision| (decision.setting, decision.columns.join(", ")))
            .collect();
        assert_eq!(
            found,
            [
                (
                    "decimal = \"string\"",
                    "public.items.any, public.items.list, public.items.prices".to_owned()
                ),
                ("interval = \"string\"", "public.items.age".to_owned()),
                ("hstore = \"map\"", "public.items.tags".to_owned()),
            ]
        );
    }
}
