//! Types that columns have.

use std::collections::BTreeMap;

use walcast_mapper::{TypeKind, TypeMetadata};
use walcast_pgoutput::Oid;

const MOOD: u32 = 20_000;
const MOODS: u32 = 20_001;
const PRICE: u32 = 20_002;
const SMALL_PRICE: u32 = 20_003;
const POINT3: u32 = 20_004;
const POINTS3: u32 = 20_005;
const CITEXT: u32 = 20_006;
const HSTORE: u32 = 20_007;
const LTREE: u32 = 20_008;
const VECTOR: u32 = 20_009;
const HALFVEC: u32 = 20_010;
const SPARSEVEC: u32 = 20_011;
const GEOMETRY: u32 = 20_012;
const GEOMETRIES: u32 = 20_013;
const GEOGRAPHY: u32 = 20_014;
const OWN_RANGE: u32 = 20_015;
const UNKNOWN: u32 = 99_999;

/// Inputs name a type by its place here: new ones come at the end.
pub const ALL: [u32; 85] = [
    // The built-in ones, as pg_type.dat numbers them.
    16,
    17,
    18,
    19,
    20,
    21,
    23,
    25,
    26,
    28,
    29,
    114,
    142,
    194,
    600,
    601,
    602,
    603,
    604,
    628,
    650,
    700,
    701,
    718,
    774,
    790,
    829,
    869,
    1042,
    1043,
    1082,
    1083,
    1114,
    1184,
    1186,
    1266,
    1560,
    1562,
    1700,
    2950,
    3220,
    3614,
    3615,
    3802,
    3904,
    3906,
    3908,
    3910,
    3912,
    3926,
    4072, // And arrays of them.
    1000,
    1001,
    1005,
    1007,
    1009,
    1015,
    1016,
    1021,
    1022,
    1115,
    1182,
    1183,
    1185,
    1187,
    1231,
    1561,
    3807,
    // Those below.
    MOOD,
    MOODS,
    PRICE,
    SMALL_PRICE,
    POINT3,
    POINTS3,
    CITEXT,
    HSTORE,
    LTREE,
    VECTOR,
    HALFVEC,
    SPARSEVEC,
    GEOMETRY,
    GEOMETRIES,
    GEOGRAPHY,
    OWN_RANGE,
    UNKNOWN,
];

/// What the catalog says of those that are not built in.
pub(super) fn facts() -> BTreeMap<Oid, TypeMetadata> {
    let labels = vec!["sad".to_owned(), "it's, \"ok\"".to_owned()];
    let domain = |base, base_modifier| TypeKind::Domain {
        base: Oid::new(base),
        base_modifier,
    };
    let array = |element, delimiter| TypeKind::Array {
        element: Oid::new(element),
        delimiter,
    };
    let types = [
        (MOOD, "mood", TypeKind::Enum { labels }),
        (MOODS, "_mood", array(MOOD, b',')),
        // numeric(12, 2)
        (PRICE, "price", domain(1700, (12 << 16) + 2 + 4)),
        (SMALL_PRICE, "small_price", domain(PRICE, -1)),
        (POINT3, "point3", TypeKind::Composite),
        (POINTS3, "_point3", array(POINT3, b',')),
        (CITEXT, "citext", TypeKind::Base),
        (HSTORE, "hstore", TypeKind::Base),
        (LTREE, "ltree", TypeKind::Base),
        (VECTOR, "vector", TypeKind::Base),
        (HALFVEC, "halfvec", TypeKind::Base),
        (SPARSEVEC, "sparsevec", TypeKind::Base),
        (GEOMETRY, "geometry", TypeKind::Base),
        (GEOMETRIES, "_geometry", array(GEOMETRY, b':')),
        (GEOGRAPHY, "geography", TypeKind::Base),
        (OWN_RANGE, "floatrange", TypeKind::Range),
    ];
    let facts = |name: &str, kind| TypeMetadata {
        namespace: "public".to_owned(),
        name: name.to_owned(),
        kind,
    };
    types
        .into_iter()
        .map(|(oid, name, kind)| (Oid::new(oid), facts(name, kind)))
        .collect()
}
