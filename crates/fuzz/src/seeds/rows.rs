//! Rows: values of captured logs in columns of their types, and texts in every type.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use walcast_pgoutput::{Column, Decoder, Message, Relation, Tuple};

use super::{Seed, captures};
use crate::row::{SETTINGS, TYPES, flag};

/// How many values of one type there are.
const ALIKE_MAX: usize = 6;

/// Texts of the server for types that no log has.
const TEXTS: [(u32, &str); 34] = [
    (16, "t"),
    (20, "-9223372036854775808"),
    (1700, "123.456789012345678901234567890"),
    (1700, "-0.0001e-5"),
    (701, "NaN"),
    (700, "Infinity"),
    (1082, "-infinity"),
    (1082, "2024-02-29"),
    (1114, "294276-12-31 23:59:59.999999"),
    (1114, "4713-01-01 00:00:00 BC"),
    (1184, "0044-03-15 12:00:00.5+05:30:15 BC"),
    (1083, "24:00:00"),
    (1266, "12:34:56.789012-15:59"),
    (1186, "178000000 years -11 mons +3 days -04:05:06.789"),
    (17, "\\x00ff10"),
    (600, "(1.5,-2e300)"),
    (718, "<(1,2),3>"),
    (790, "-$1,234.56"),
    (790, "-1.234,56 €"),
    (1560, "1"),
    (1562, "10110"),
    (3904, "[1,5)"),
    (3904, "empty"),
    (1007, "{1,2,NULL}"),
    (1007, "{{1,2},{3,4}}"),
    (1007, "[0:1]={1,2}"),
    (1009, "{\"a\\\"b\",\"c,d\",\"\"}"),
    (3802, "{\"a\": [1, null]}"),
    (2950, "550e8400-e29b-41d4-a716-446655440000"),
    (869, "10.0.0.0/8"),
    (20_007, "\"a\"=>\"b\", \"c\"=>NULL"),
    (20_009, "[1,2.5,-3e-5]"),
    (20_011, "{1:1.5,3:2}/5"),
    (20_012, "0101000020E6100000000000000000F03F0000000000000040"),
];

/// A key and one value, in the default configuration.
pub(super) fn seeds() -> io::Result<Vec<Seed>> {
    let mut seeds = Vec::new();
    let mut alike: BTreeMap<u32, BTreeSet<Vec<u8>>> = BTreeMap::new();
    let mut add = |oid: u32, modifier: i32, text: &[u8]| {
        let Some(place) = TYPES.iter().position(|known| *known == oid) else {
            return;
        };
        let known = alike.entry(oid).or_default();
        if known.len() < ALIKE_MAX && known.insert(text.to_vec()) {
            seeds.push((format!("{oid}-{}", known.len()), seed(place, modifier, text)));
        }
    };
    for (oid, text) in TEXTS {
        add(oid, -1, text.as_bytes());
    }
    for capture in captures::all()? {
        let mut decoder = Decoder::new();
        let mut relations: BTreeMap<u32, Relation> = BTreeMap::new();
        for (_, message) in &capture.messages {
            match decoder.decode(message).map_err(io::Error::other)? {
                Message::Relation(relation) => {
                    relations.insert(relation.oid.as_u32(), relation);
                }
                Message::Insert(insert) => {
                    let relation = relations.get(&insert.relation.as_u32());
                    each_text(relation, insert.new, &mut add);
                }
                _ => {}
            }
        }
    }
    Ok(seeds)
}

fn each_text(relation: Option<&Relation>, row: Tuple<'_>, add: &mut impl FnMut(u32, i32, &[u8])) {
    let columns = relation.into_iter().flat_map(|relation| &relation.columns);
    for (column, value) in columns.zip(row.columns()) {
        if let Column::Text(text) = value {
            add(column.type_oid.as_u32(), column.type_modifier, text);
        }
    }
}

fn seed(type_place: usize, modifier: i32, text: &[u8]) -> Vec<u8> {
    const INT4: u32 = 23;
    let mut seed = vec![0; SETTINGS];
    let mut column = |place: Option<usize>, flags: u8, modifier: i32, text: &[u8]| {
        seed.push(
            place
                .and_then(|place| u8::try_from(place).ok())
                .unwrap_or_default(),
        );
        seed.push(flags);
        seed.extend(modifier.to_be_bytes());
        seed.extend(text);
        seed.push(0);
    };
    let key = TYPES.iter().position(|oid| *oid == INT4);
    column(key, flag::KEY | flag::NOT_NULL, -1, b"1");
    column(Some(type_place), 0, modifier, text);
    seed
}
