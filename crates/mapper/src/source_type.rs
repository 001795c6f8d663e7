//! A column's type as JDBC describes it: the form in which Debezium propagates types in schemas.

use walcast_pgoutput::Oid;

use crate::built_in;
use crate::table_metadata::{TableMetadata, TypeKind};

/// Name, length and scale of a column's type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceType {
    /// Name in the server's catalog, such as `varchar` or `_int4`.
    pub(crate) name: String,
    /// Characters or digits; [`UNLIMITED`] where there is no limit.
    pub(crate) length: i32,
    /// Digits after the decimal point.
    pub(crate) scale: i32,
}

/// Length of an unlimited type in the JDBC driver.
const UNLIMITED: i32 = i32::MAX;
/// Debezium's name of an unknown type.
const UNKNOWN: &str = "unknown";
const NO_MODIFIER: i32 = -1;
/// Offset of the length in a modifier (`VARHDRSZ`).
const MODIFIER_OFFSET: i32 = 4;
/// `SELECT length(pow(10::numeric, 131071)::text)`: the JDBC driver's size of a `numeric` without precision.
const NUMERIC_DISPLAY_SIZE: i32 = 131_089;

impl SourceType {
    /// The type `oid` with modifier `modifier`.
    pub(crate) fn of(oid: Oid, modifier: i32, metadata: &TableMetadata) -> Self {
        let known = metadata.types.get(&oid);
        let name = known.map_or_else(
            || built_in_name(oid).unwrap_or_else(|| UNKNOWN.to_owned()),
            |known| known.name.clone(),
        );
        let (length, scale) = if modifier == NO_MODIFIER {
            defaults(oid, metadata)
        } else {
            let element = element(oid, metadata);
            (precision(element, modifier), scale(element, modifier))
        };
        Self { name, length, scale }
    }
}

/// Length and scale of a type without modifier; a domain has those of its base type with the domain's modifier.
fn defaults(oid: Oid, metadata: &TableMetadata) -> (i32, i32) {
    let mut oid = oid;
    // The catalog cannot contain a cycle; the bound protects from metadata that do.
    for _ in 0..=metadata.types.len() {
        match metadata.types.get(&oid).map(|known| &known.kind) {
            Some(TypeKind::Domain { base, base_modifier }) if *base_modifier == NO_MODIFIER => oid = *base,
            Some(TypeKind::Domain { base, base_modifier }) => {
                let base = element(*base, metadata);
                let length = shown_length(base, *base_modifier);
                let limited = if length == 0 { UNLIMITED } else { length };
                return (limited, scale(base, *base_modifier));
            }
            _ => break,
        }
    }
    let element = element(oid, metadata);
    (shown_length(element, NO_MODIFIER), scale(element, NO_MODIFIER))
}

/// Name of the built-in element type of an array; of any other type, of the type itself. Empty for a type that is not
/// built in.
fn element(oid: Oid, metadata: &TableMetadata) -> &'static str {
    let element = match metadata.types.get(&oid).map(|known| &known.kind) {
        Some(TypeKind::Array { element, .. }) => built_in::scalar(*element),
        _ => built_in::element(oid).or_else(|| built_in::scalar(oid)),
    };
    element.map_or("", |element| element.name)
}

fn shown_length(name: &str, modifier: i32) -> i32 {
    match precision(name, modifier) {
        0 if name == "numeric" && modifier == NO_MODIFIER => NUMERIC_DISPLAY_SIZE,
        length => length,
    }
}

/// Precision of a column in the JDBC driver.
fn precision(name: &str, modifier: i32) -> i32 {
    let unlimited = modifier == NO_MODIFIER;
    match name {
        "bool" | "char" => 1,
        "int8" => 19,
        "int2" => 5,
        "int4" | "oid" => 10,
        "float4" => 8,
        "float8" => 17,
        "numeric" if unlimited => 0,
        "numeric" => modifier.saturating_sub(MODIFIER_OFFSET) >> 16,
        "bpchar" | "varchar" if !unlimited => modifier.saturating_sub(MODIFIER_OFFSET),
        "date" => 13,
        "time" => second_length(modifier).saturating_add(8),
        "timestamp" => second_length(modifier).saturating_add(22),
        "timestamptz" => second_length(modifier).saturating_add(28),
        "interval" => 49,
        "timetz" => second_length(modifier).saturating_add(14),
        "bit" => modifier,
        "varbit" if !unlimited => modifier,
        _ => UNLIMITED,
    }
}

/// Length of the fraction of a second, with its point.
fn second_length(modifier: i32) -> i32 {
    match modifier {
        NO_MODIFIER => 7,
        0 => 0,
        // An exception in the driver.
        1 => 3,
        digits => digits.saturating_add(1),
    }
}

/// Scale of a column in the JDBC driver.
fn scale(name: &str, modifier: i32) -> i32 {
    let unlimited = modifier == NO_MODIFIER;
    match name {
        "float4" => 8,
        "float8" => 17,
        "numeric" if !unlimited => modifier.saturating_sub(MODIFIER_OFFSET) & 0xFFFF,
        "time" | "timestamp" | "timestamptz" | "interval" | "timetz" if unlimited => 6,
        "time" | "timestamp" | "timestamptz" | "timetz" => modifier,
        "interval" => modifier & 0xFFFF,
        _ => 0,
    }
}

/// Built-in types that Debezium does not know.
const UNKNOWN_BUILT_IN: [&str; 9] = [
    "aclitem",
    "regprocedure",
    "regoper",
    "regoperator",
    "regconfig",
    "regdictionary",
    "regnamespace",
    "regrole",
    "regcollation",
];

/// Name of a built-in type, or of its array type, which is the type's name after a `_`.
fn built_in_name(oid: Oid) -> Option<String> {
    let is_known = |known: &&'static built_in::BuiltIn| !UNKNOWN_BUILT_IN.contains(&known.name);
    let scalar = built_in::scalar(oid)
        .filter(is_known)
        .map(|known| known.name.to_owned());
    scalar.or_else(|| {
        let element = built_in::element(oid).filter(is_known)?;
        Some(format!("_{}", element.name))
    })
}

#[cfg(test)]
mod tests {
    use walcast_pgoutput::Oid;

    use super::SourceType;
    use crate::table_metadata::{TableMetadata, TypeKind, TypeMetadata};

    fn own(name: &str, kind: TypeKind) -> TypeMetadata {
        TypeMetadata {
            namespace: "public".to_owned(),
            name: name.to_owned(),
            kind,
        }
    }

    /// The values that Debezium's own tests expect, and those of its driver's tables.
    #[test]
    fn types_are_described_as_the_driver_does() {
        let mut metadata = TableMetadata::default();
        let numeric_8_3 = TypeKind::Domain {
            base: Oid::new(1700),
            base_modifier: (8 << 16 | 3) + 4,
        };
        let money3 = TypeKind::Domain {
            base: Oid::new(20_000),
            base_modifier: -1,
        };
        metadata.types.insert(Oid::new(20_000), own("money", numeric_8_3));
        metadata.types.insert(Oid::new(20_001), own("money3", money3));
        let labels = vec!["a".to_owned()];
        metadata
            .types
            .insert(Oid::new(20_002), own("mood", TypeKind::Enum { labels }));
        let element = Oid::new(20_002);
        metadata.types.insert(
            Oid::new(20_003),
            own(
                "_mood",
                TypeKind::Array {
                    element,
                    delimiter: b',',
                },
            ),
        );
        for (oid, modifier, name, length, scale) in [
            (1700, (5 << 16 | 2) + 4, "numeric", 5, 2),
            (1700, -1, "numeric", 131_089, 0),
            (1043, 128 + 4, "varchar", 128, 0),
            (1043, -1, "varchar", i32::MAX, 0),
            (1015, 20 + 4, "_varchar", 20, 0),
            (700, -1, "float4", 8, 8),
            (23, -1, "int4", 10, 0),
            (1007, -1, "_int4", 10, 0),
            (25, -1, "text", i32::MAX, 0),
            (18, -1, "char", 1, 0),
            (1082, -1, "date", 13, 0),
            (1114, -1, "timestamp", 29, 6),
            (1114, 3, "timestamp", 26, 3),
            (1184, 1, "timestamptz", 31, 1),
            (1186, -1, "interval", 49, 6),
            (1560, 5, "bit", 5, 0),
            (20_000, -1, "money", 8, 3),
            (20_001, -1, "money3", 8, 3),
            (20_002, -1, "mood", i32::MAX, 0),
            (20_003, -1, "_mood", i32::MAX, 0),
            (99_999, -1, "unknown", i32::MAX, 0),
        ] {
            let expected = SourceType {
                name: name.to_owned(),
                length,
                scale,
            };
            assert_eq!(SourceType::of(Oid::new(oid), modifier, &metadata), expected);
        }
    }

    /// Servers have no such modifiers, but a message may contain any number.
    #[test]
    fn any_modifier_is_described() {
        let metadata = TableMetadata::default();
        let of = |oid, modifier| {
            let described = SourceType::of(Oid::new(oid), modifier, &metadata);
            (described.length, described.scale)
        };
        assert_eq!(of(1700, i32::MIN), (-32_768, 0));
        assert_eq!(of(1700, i32::MAX), (32_767, 0xFFFB));
        assert_eq!(of(1043, i32::MIN).0, i32::MIN);
        for timelike in [1083, 1114, 1184, 1266] {
            assert_eq!(of(timelike, i32::MAX), (i32::MAX, i32::MAX));
        }
    }
}
