//! A column's type as JDBC describes it, which is how Debezium tells it in schemas.

use walcast_pgoutput::Oid;

use crate::{TableFacts, TypeKind};

/// Name, length and scale of a column's type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceType {
    /// The name that the server's catalog has, such as `varchar` or `_int4`.
    pub(crate) name: String,
    /// Characters or digits; [`UNLIMITED`] where there is no limit.
    pub(crate) length: i32,
    /// Digits after the point.
    pub(crate) scale: i32,
}

/// What the JDBC driver says where nothing limits a length.
const UNLIMITED: i32 = i32::MAX;
/// What Debezium calls a type that it does not know.
const UNKNOWN: &str = "unknown";
const NO_MODIFIER: i32 = -1;
/// What Postgres adds to the length in a modifier (`VARHDRSZ`).
const MODIFIER_OFFSET: i32 = 4;
/// `SELECT length(pow(10::numeric, 131071)::text)`: the JDBC driver's size of a `numeric` without precision.
const NUMERIC_DISPLAY_SIZE: i32 = 131_089;

impl SourceType {
    /// The type `oid` with modifier `modifier`.
    pub(crate) fn of(oid: Oid, modifier: i32, facts: &TableFacts) -> Self {
        let known = facts.types.get(&oid);
        let name = known.map_or_else(
            || builtin_name(oid.as_u32()).unwrap_or(UNKNOWN).to_owned(),
            |known| known.name.clone(),
        );
        let (length, scale) = if modifier == NO_MODIFIER {
            defaults(oid, facts)
        } else {
            let element = element(oid, facts);
            (precision(element, modifier), scale(element, modifier))
        };
        Self { name, length, scale }
    }
}

/// Length and scale of a type without a modifier; a domain has those of the type it rests on, with its modifier.
fn defaults(oid: Oid, facts: &TableFacts) -> (i32, i32) {
    let mut oid = oid;
    // The catalog cannot hold a circle; the bound keeps one that says otherwise from hanging us.
    for _ in 0..=facts.types.len() {
        match facts.types.get(&oid).map(|known| &known.kind) {
            Some(TypeKind::Domain { base, base_modifier }) if *base_modifier == NO_MODIFIER => oid = *base,
            Some(TypeKind::Domain { base, base_modifier }) => {
                let base = element(*base, facts);
                let length = shown_length(base, *base_modifier);
                let limited = if length == 0 { UNLIMITED } else { length };
                return (limited, scale(base, *base_modifier));
            }
            _ => break,
        }
    }
    let element = element(oid, facts);
    (shown_length(element, NO_MODIFIER), scale(element, NO_MODIFIER))
}

/// The type of an array's elements; of anything else, itself.
fn element(oid: Oid, facts: &TableFacts) -> u32 {
    match facts.types.get(&oid).map(|known| &known.kind) {
        Some(TypeKind::Array { element, .. }) => element.as_u32(),
        _ => builtin_element(oid.as_u32()),
    }
}

fn shown_length(oid: u32, modifier: i32) -> i32 {
    match precision(oid, modifier) {
        0 if oid == NUMERIC && modifier == NO_MODIFIER => NUMERIC_DISPLAY_SIZE,
        length => length,
    }
}

const NUMERIC: u32 = 1700;

/// What the JDBC driver calls the precision of a column.
fn precision(oid: u32, modifier: i32) -> i32 {
    let unlimited = modifier == NO_MODIFIER;
    match oid {
        16 | 18 => 1,
        20 => 19,
        21 => 5,
        23 | 26 => 10,
        700 => 8,
        701 => 17,
        NUMERIC if unlimited => 0,
        NUMERIC => modifier.saturating_sub(MODIFIER_OFFSET) >> 16,
        1042 | 1043 if !unlimited => modifier.saturating_sub(MODIFIER_OFFSET),
        1082 => 13,
        1083 => second_length(modifier).saturating_add(8),
        1114 => second_length(modifier).saturating_add(22),
        1184 => second_length(modifier).saturating_add(28),
        1186 => 49,
        1266 => second_length(modifier).saturating_add(14),
        1560 => modifier,
        1562 if !unlimited => modifier,
        _ => UNLIMITED,
    }
}

/// Characters of the part of a second, its point included.
fn second_length(modifier: i32) -> i32 {
    match modifier {
        NO_MODIFIER => 7,
        0 => 0,
        // The driver's own exception.
        1 => 3,
        digits => digits.saturating_add(1),
    }
}

/// What the JDBC driver calls the scale of a column.
fn scale(oid: u32, modifier: i32) -> i32 {
    let unlimited = modifier == NO_MODIFIER;
    match oid {
        700 => 8,
        701 => 17,
        NUMERIC if !unlimited => modifier.saturating_sub(MODIFIER_OFFSET) & 0xFFFF,
        1083 | 1114 | 1184 | 1186 | 1266 if unlimited => 6,
        1083 | 1114 | 1184 | 1266 => modifier,
        1186 => modifier & 0xFFFF,
        _ => 0,
    }
}

/// Types with the numbers that <https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_type.dat>
/// gives them in every database, each with the number of its array, whose name is the same after a `_`.
const BUILTIN: &[(u32, u32, &str)] = &[
    (16, 1000, "_bool"),
    (17, 1001, "_bytea"),
    (18, 1002, "_char"),
    (19, 1003, "_name"),
    (20, 1016, "_int8"),
    (21, 1005, "_int2"),
    (22, 1006, "_int2vector"),
    (23, 1007, "_int4"),
    (24, 1008, "_regproc"),
    (25, 1009, "_text"),
    (26, 1028, "_oid"),
    (27, 1010, "_tid"),
    (28, 1011, "_xid"),
    (29, 1012, "_cid"),
    (30, 1013, "_oidvector"),
    (114, 199, "_json"),
    (142, 143, "_xml"),
    (600, 1017, "_point"),
    (601, 1018, "_lseg"),
    (602, 1019, "_path"),
    (603, 1020, "_box"),
    (604, 1027, "_polygon"),
    (628, 629, "_line"),
    (650, 651, "_cidr"),
    (700, 1021, "_float4"),
    (701, 1022, "_float8"),
    (718, 719, "_circle"),
    (774, 775, "_macaddr8"),
    (790, 791, "_money"),
    (829, 1040, "_macaddr"),
    (869, 1041, "_inet"),
    (1042, 1014, "_bpchar"),
    (1043, 1015, "_varchar"),
    (1082, 1182, "_date"),
    (1083, 1183, "_time"),
    (1114, 1115, "_timestamp"),
    (1184, 1185, "_timestamptz"),
    (1186, 1187, "_interval"),
    (1266, 1270, "_timetz"),
    (1560, 1561, "_bit"),
    (1562, 1563, "_varbit"),
    (1700, 1231, "_numeric"),
    (1790, 2201, "_refcursor"),
    (2205, 2210, "_regclass"),
    (2206, 2211, "_regtype"),
    (2950, 2951, "_uuid"),
    (2970, 2949, "_txid_snapshot"),
    (3220, 3221, "_pg_lsn"),
    (3614, 3643, "_tsvector"),
    (3615, 3645, "_tsquery"),
    (3802, 3807, "_jsonb"),
    (3904, 3905, "_int4range"),
    (3906, 3907, "_numrange"),
    (3908, 3909, "_tsrange"),
    (3910, 3911, "_tstzrange"),
    (3912, 3913, "_daterange"),
    (3926, 3927, "_int8range"),
    (4072, 4073, "_jsonpath"),
    (4451, 6150, "_int4multirange"),
    (4532, 6151, "_nummultirange"),
    (4533, 6152, "_tsmultirange"),
    (4534, 6153, "_tstzmultirange"),
    (4535, 6155, "_datemultirange"),
    (4536, 6157, "_int8multirange"),
    (5038, 5039, "_pg_snapshot"),
    (5069, 271, "_xid8"),
];

fn builtin_name(oid: u32) -> Option<&'static str> {
    BUILTIN.iter().find_map(|(scalar, array, name)| {
        if oid == *array {
            Some(*name)
        } else {
            name.strip_prefix('_').filter(|_| oid == *scalar)
        }
    })
}

fn builtin_element(oid: u32) -> u32 {
    let of_array = BUILTIN.iter().find(|(_, array, _)| *array == oid);
    of_array.map_or(oid, |(scalar, ..)| *scalar)
}

#[cfg(test)]
mod tests {
    use walcast_pgoutput::Oid;

    use super::SourceType;
    use crate::{TableFacts, TypeFacts, TypeKind};

    fn own(name: &str, kind: TypeKind) -> TypeFacts {
        TypeFacts {
            namespace: "public".to_owned(),
            name: name.to_owned(),
            kind,
        }
    }

    /// The values that Debezium's own tests expect, and those of its driver's tables.
    #[test]
    fn types_are_described_as_the_driver_does() {
        let mut facts = TableFacts::default();
        let numeric_8_3 = TypeKind::Domain {
            base: Oid::new(1700),
            base_modifier: (8 << 16 | 3) + 4,
        };
        let money3 = TypeKind::Domain {
            base: Oid::new(20_000),
            base_modifier: -1,
        };
        facts.types.insert(Oid::new(20_000), own("money", numeric_8_3));
        facts.types.insert(Oid::new(20_001), own("money3", money3));
        let labels = vec!["a".to_owned()];
        facts
            .types
            .insert(Oid::new(20_002), own("mood", TypeKind::Enum { labels }));
        let element = Oid::new(20_002);
        facts.types.insert(
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
            assert_eq!(SourceType::of(Oid::new(oid), modifier, &facts), expected);
        }
    }

    /// A server has no such modifiers, and what sends them may be none.
    #[test]
    fn any_modifier_is_described() {
        let facts = TableFacts::default();
        let of = |oid, modifier| {
            let described = SourceType::of(Oid::new(oid), modifier, &facts);
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
