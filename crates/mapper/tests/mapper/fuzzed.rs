//! Any text in a column of any type is an error, or bytes that an independent decoder reads to their end; never a panic.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use walcast_mapper::{BinaryMode, DecimalMode, HstoreMode, IntervalMode, TimeMode, TypeModes};
use walcast_pgoutput::Column;

use crate::table::{Change, INT4, Table};

/// Built-in types, their arrays, and one that nobody knows.
const TYPES: [u32; 48] = [
    16, 17, 18, 19, 20, 21, 23, 25, 26, 28, 114, 142, 600, 603, 650, 700, 701, 718, 774, 790, 829, 869, 1042,
    1043, 1082, 1083, 1114, 1184, 1186, 1266, 1560, 1562, 1700, 2950, 3220, 3614, 3802, 3904, 3908, 1000,
    1007, 1009, 1016, 1115, 1182, 1231, 3807, 99_999,
];

/// Texts of the server, from which others are made.
const EXAMPLES: [&str; 34] = [
    "",
    "t",
    "0",
    "-9223372036854775808",
    "123.456789012345678901234567890",
    "-0.0001e-5",
    "NaN",
    "Infinity",
    "-infinity",
    "2024-02-29",
    "294276-12-31 23:59:59.999999",
    "4713-01-01 00:00:00 BC",
    "2024-02-29 24:00:00+00",
    "0044-03-15 12:00:00.5+05:30:15 BC",
    "24:00:00",
    "12:34:56.789012-15:59",
    "178000000 years -11 mons +3 days -04:05:06.789",
    "\\x00ff10",
    "\\x0",
    "(1.5,-2e300)",
    "<(1,2),3>",
    "$1,234.56",
    "-1.234,56 €",
    "10110",
    "[1,5)",
    "empty",
    "{1,2,NULL}",
    "{{1,2},{3,4}}",
    "[0:1]={1,2}",
    "{\"a\\\"b\",\"c,d\",\"\"}",
    "\"a\"=>\"b\", \"c\"=>NULL",
    "{\"a\": [1, null]}",
    "550e8400-e29b-41d4-a716-446655440000",
    "10.0.0.0/8",
];

/// One byte is put in, taken out or replaced.
#[derive(Clone, Debug)]
enum Edit {
    In(Index, u8),
    Out(Index),
    Over(Index, u8),
}

/// Bytes that mean something somewhere, more often than others.
fn a_byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        select(b"0123456789+-.,:/\\\"{}[]()<>= TZeENBCxn\x00\xff".to_vec()),
        any::<u8>()
    ]
}

fn an_edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        (any::<Index>(), a_byte()).prop_map(|(place, byte)| Edit::In(place, byte)),
        any::<Index>().prop_map(Edit::Out),
        (any::<Index>(), a_byte()).prop_map(|(place, byte)| Edit::Over(place, byte)),
    ]
}

fn edited(example: &str, edits: &[Edit]) -> Vec<u8> {
    let mut text = example.as_bytes().to_vec();
    for edit in edits {
        match edit {
            Edit::In(place, byte) => text.insert(place.index(text.len() + 1), *byte),
            Edit::Out(place) if !text.is_empty() => drop(text.remove(place.index(text.len()))),
            Edit::Over(place, byte) if !text.is_empty() => {
                let place = place.index(text.len());
                text[place] = *byte;
            }
            Edit::Out(_) | Edit::Over(..) => {}
        }
    }
    text
}

fn a_text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => (select(EXAMPLES.to_vec()), vec(an_edit(), 0..5)).prop_map(|(example, edits)| edited(example, &edits)),
        1 => vec(any::<u8>(), 0..40),
    ]
}

fn some_modes() -> impl Strategy<Value = TypeModes> {
    let decimals = select(vec![
        DecimalMode::Precise,
        DecimalMode::Double,
        DecimalMode::String,
    ]);
    let binaries = select(vec![BinaryMode::Bytes, BinaryMode::Base64, BinaryMode::Hex]);
    let times = select(vec![
        TimeMode::Adaptive,
        TimeMode::AdaptiveTimeMicroseconds,
        TimeMode::Connect,
    ]);
    let intervals = select(vec![IntervalMode::Numeric, IntervalMode::String]);
    let hstores = select(vec![HstoreMode::Json, HstoreMode::Map]);
    (decimals, binaries, times, intervals, hstores).prop_map(|(decimal, binary, time, interval, hstore)| {
        let mut modes = TypeModes::default();
        (modes.decimal, modes.binary, modes.time) = (decimal, binary, time);
        (modes.interval, modes.hstore) = (interval, hstore);
        modes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn no_text_of_any_type_makes_it_panic_or_writes_what_cannot_be_read(
        oid in select(TYPES.to_vec()),
        modifier in prop_oneof![Just(-1), 0i32..70_000, any::<i32>()],
        modes in some_modes(),
        text in a_text(),
    ) {
        let mut table = Table::new(&[("id", INT4, -1), ("v", oid, modifier)]);
        table.config.types = modes;
        let row = [Column::Text(b"1"), Column::Text(&text)];
        match table.records(&Change::Insert(&row)) {
            // Read by an independent decoder already.
            Ok(records) => prop_assert!(records.iter().all(|record| record.key.is_some()), "a record without a key"),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
