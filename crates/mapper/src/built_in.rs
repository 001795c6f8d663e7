//! Built-in types, with the OIDs of
//! <https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_type.dat>.

use walcast_pgoutput::Oid;

/// A type for which the mapper needs no catalog lookup.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BuiltIn {
    pub(crate) oid: u32,
    /// `typname`.
    pub(crate) name: &'static str,
    /// OID of the array type.
    pub(crate) array_oid: u32,
}

/// Schema of the built-in types.
pub(crate) const NAMESPACE: &str = "pg_catalog";
/// `box`, the only built-in type whose arrays are not separated by commas.
const BOX: u32 = 603;

/// The built-in types, ascending by OID.
const BUILT_IN: [BuiltIn; 75] = {
    const fn one(oid: u32, name: &'static str, array_oid: u32) -> BuiltIn {
        BuiltIn { oid, name, array_oid }
    }
    [
        one(16, "bool", 1000),
        one(17, "bytea", 1001),
        one(18, "char", 1002),
        one(19, "name", 1003),
        one(20, "int8", 1016),
        one(21, "int2", 1005),
        one(22, "int2vector", 1006),
        one(23, "int4", 1007),
        one(24, "regproc", 1008),
        one(25, "text", 1009),
        one(26, "oid", 1028),
        one(27, "tid", 1010),
        one(28, "xid", 1011),
        one(29, "cid", 1012),
        one(30, "oidvector", 1013),
        one(114, "json", 199),
        one(142, "xml", 143),
        one(600, "point", 1017),
        one(601, "lseg", 1018),
        one(602, "path", 1019),
        one(BOX, "box", 1020),
        one(604, "polygon", 1027),
        one(628, "line", 629),
        one(650, "cidr", 651),
        one(700, "float4", 1021),
        one(701, "float8", 1022),
        one(718, "circle", 719),
        one(774, "macaddr8", 775),
        one(790, "money", 791),
        one(829, "macaddr", 1040),
        one(869, "inet", 1041),
        one(1033, "aclitem", 1034),
        one(1042, "bpchar", 1014),
        one(1043, "varchar", 1015),
        one(1082, "date", 1182),
        one(1083, "time", 1183),
        one(1114, "timestamp", 1115),
        one(1184, "timestamptz", 1185),
        one(1186, "interval", 1187),
        one(1266, "timetz", 1270),
        one(1560, "bit", 1561),
        one(1562, "varbit", 1563),
        one(1700, "numeric", 1231),
        one(1790, "refcursor", 2201),
        one(2202, "regprocedure", 2207),
        one(2203, "regoper", 2208),
        one(2204, "regoperator", 2209),
        one(2205, "regclass", 2210),
        one(2206, "regtype", 2211),
        one(2950, "uuid", 2951),
        one(2970, "txid_snapshot", 2949),
        one(3220, "pg_lsn", 3221),
        one(3614, "tsvector", 3643),
        one(3615, "tsquery", 3645),
        one(3734, "regconfig", 3735),
        one(3769, "regdictionary", 3770),
        one(3802, "jsonb", 3807),
        one(3904, "int4range", 3905),
        one(3906, "numrange", 3907),
        one(3908, "tsrange", 3909),
        one(3910, "tstzrange", 3911),
        one(3912, "daterange", 3913),
        one(3926, "int8range", 3927),
        one(4072, "jsonpath", 4073),
        one(4089, "regnamespace", 4090),
        one(4096, "regrole", 4097),
        one(4191, "regcollation", 4192),
        one(4451, "int4multirange", 6150),
        one(4532, "nummultirange", 6151),
        one(4533, "tsmultirange", 6152),
        one(4534, "tstzmultirange", 6153),
        one(4535, "datemultirange", 6155),
        one(4536, "int8multirange", 6157),
        one(5038, "pg_snapshot", 5039),
        one(5069, "xid8", 271),
    ]
};

/// The built-in type with this OID.
pub(crate) fn scalar(oid: Oid) -> Option<&'static BuiltIn> {
    let place = BUILT_IN.binary_search_by_key(&oid.as_u32(), |known| known.oid);
    place.ok().and_then(|place| BUILT_IN.get(place))
}

/// The element type of the built-in array type with this OID.
pub(crate) fn element(array_oid: Oid) -> Option<&'static BuiltIn> {
    BUILT_IN
        .iter()
        .find(|known| known.array_oid == array_oid.as_u32())
}

impl BuiltIn {
    /// The separator of elements in the text form of an array.
    pub(crate) fn delimiter(&self) -> u8 {
        if self.oid == BOX { b';' } else { b',' }
    }
}

#[cfg(test)]
mod tests {
    use super::BUILT_IN;

    #[test]
    fn types_are_ascending_and_array_types_are_distinct() {
        assert!(BUILT_IN.is_sorted_by(|one, next| one.oid < next.oid));
        let mut arrays: Vec<u32> = BUILT_IN.iter().map(|known| known.array_oid).collect();
        arrays.sort_unstable();
        arrays.dedup();
        assert_eq!(arrays.len(), BUILT_IN.len());
    }
}
