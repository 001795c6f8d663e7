//! Random values of each data type and mode, read back by an independent decoder and checked by the arithmetic of
//! another library.

use apache_avro::types::Value;
use base64::Engine as _;
use jiff::civil::{DateTime, Time};
use jiff::{SignedDuration, Span};
use num_bigint::{BigInt, BigUint, Sign};
use proptest::prelude::*;
use walcast_mapper::config::{BinaryMode, DecimalMode, HstoreMode, IntervalMode, TimeMode, TypeModes};
use walcast_pgoutput::Column;

use super::{HSTORE, VECTOR, table};

fn read(modes: TypeModes, oid: u32, modifier: i32, text: &str) -> Value {
    let row = [Column::Text(b"1"), Column::Text(text.as_bytes())];
    match table(modes, oid, modifier).inserted(&row, "v").unwrap() {
        Value::Union(_, value) => *value,
        other => panic!("{other:?} is not in a union"),
    }
}

fn modes(change: impl FnOnce(&mut TypeModes)) -> TypeModes {
    let mut modes = TypeModes::default();
    change(&mut modes);
    modes
}

/// A number with its decimal point `scale` digits from the end, in the server's text form.
fn print_decimal(unscaled: &BigInt, scale: usize) -> String {
    let digits = unscaled.magnitude().to_string();
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if unscaled.sign() == Sign::Minus { "-" } else { "" };
    let point = if scale > 0 { "." } else { "" };
    format!("{sign}{whole}{point}{fraction}")
}

fn any_big() -> impl Strategy<Value = BigInt> {
    any::<Vec<u8>>().prop_map(|bytes| BigInt::from_signed_bytes_be(&bytes))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn hstore(pairs: &std::collections::BTreeMap<String, Option<String>>) -> String {
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(key, value)| {
            let value = value.as_deref().map_or("NULL".to_owned(), quoted);
            format!("{}=>{value}", quoted(key))
        })
        .collect();
    pairs.join(", ")
}

proptest! {
    #[test]
    fn decimals_as_text(unscaled in any_big(), scale in 0usize..40) {
        let text = print_decimal(&unscaled, scale);
        let modes = modes(|modes| modes.decimal = DecimalMode::String);
        prop_assert_eq!(read(modes, 1700, -1, &text), Value::String(text));
    }

    #[test]
    fn decimals_as_doubles(value in any::<f64>().prop_filter("finite", |value| value.is_finite())) {
        let modes = modes(|modes| modes.decimal = DecimalMode::Double);
        // Without exponent, as the server prints a `numeric`.
        prop_assert_eq!(read(modes, 1700, -1, &format!("{value}")), Value::Double(value));
    }

    #[test]
    fn decimals_beyond_any_machine_word(unscaled in any_big(), scale in 0i32..30) {
        let text = print_decimal(&unscaled, usize::try_from(scale).unwrap());
        let modifier = super::numeric(1000, scale);
        let Value::Decimal(read) = read(TypeModes::default(), 1700, modifier, &text) else {
            panic!("it is no decimal");
        };
        prop_assert_eq!(BigInt::from(read), unscaled);
    }

    #[test]
    fn money(cents: i64) {
        let digits = format!("{:03}", cents.unsigned_abs());
        let (whole, fraction) = digits.split_at(digits.len() - 2);
        let groups: Vec<&str> = whole
            .as_bytes()
            .rchunks(3)
            .rev()
            .map(|group| std::str::from_utf8(group).unwrap())
            .collect();
        let sign = if cents < 0 { "-" } else { "" };
        for text in [
            format!("{sign}${}.{fraction}", groups.join(",")),
            format!("{sign}{},{fraction} €", groups.join(".")),
            format!("{sign}{},{fraction} €", groups.join("\u{202f}")),
        ] {
            let Value::Decimal(read) = read(TypeModes::default(), 790, -1, &text) else {
                panic!("it is no decimal");
            };
            prop_assert_eq!(BigInt::from(read), BigInt::from(cents));
        }
    }

    #[test]
    fn bits(bits in proptest::collection::vec(any::<bool>(), 2..200)) {
        let text: String = bits.iter().map(|bit| if *bit { '1' } else { '0' }).collect();
        let Value::Bytes(read) = read(TypeModes::default(), 1562, -1, &text) else {
            panic!("these are no bytes");
        };
        let number = BigUint::parse_bytes(text.as_bytes(), 2).unwrap();
        prop_assert_eq!(BigUint::from_bytes_le(&read), number);
        prop_assert_ne!(read.last(), Some(&0));
    }

    #[test]
    fn bytes_as_text(bytes: Vec<u8>) {
        let hexadecimal: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let text = format!("\\x{hexadecimal}");
        let read = |mode| match read(modes(|modes| modes.binary = mode), 17, -1, &text) {
            Value::String(text) => text,
            other => panic!("{other:?} is no text"),
        };
        let decoders = base64::engine::general_purpose::STANDARD;
        prop_assert_eq!(&decoders.decode(read(BinaryMode::Base64)).unwrap(), &bytes);
        let decoders = base64::engine::general_purpose::URL_SAFE;
        prop_assert_eq!(&decoders.decode(read(BinaryMode::Base64UrlSafe)).unwrap(), &bytes);
        prop_assert_eq!(read(BinaryMode::Hex), hexadecimal);
    }

    #[test]
    fn intervals(
        years in -9_000i32..9_000, months in -11i32..12, days in -1_000i32..1_000, micros in -86_400_000_000_000i64..86_400_000_000_000,
    ) {
        let sign = if micros < 0 { "-" } else { "" };
        let (seconds, fraction) = (micros.abs() / 1_000_000, micros.abs() % 1_000_000);
        let clock = format!("{sign}{:02}:{:02}:{:02}.{fraction:06}", seconds / 3600, seconds / 60 % 60, seconds % 60);
        let clock = clock.trim_end_matches('0').trim_end_matches('.');
        // Without a fraction, only zeros were removed.
        let clock = if fraction == 0 {
            format!("{sign}{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
        } else {
            clock.to_owned()
        };
        let text = format!("{years} years {months} mons {days} days {clock}");

        let Value::String(iso) = read(modes(|modes| modes.interval = IntervalMode::String), 1186, -1, &text) else {
            panic!("it is no text");
        };
        let part = |from: &str, to: char| -> String {
            let rest = &iso[iso.find(from).unwrap() + from.len()..];
            rest[..rest.find(to).unwrap()].to_owned()
        };
        prop_assert_eq!(part("P", 'Y'), years.to_string());
        prop_assert_eq!(part("Y", 'M'), months.to_string());
        let clock = &iso[iso.find('T').unwrap()..];
        let number = |from: char, to: char| -> f64 {
            clock[clock.find(from).unwrap() + 1..clock.find(to).unwrap()].parse().unwrap()
        };
        let span_seconds = number('T', 'H') * 3600.0 + number('H', 'M') * 60.0 + number('M', 'S');
        prop_assert!((span_seconds - micros as f64 / 1e6).abs() < 1e-3);

        let Value::Long(read) = read(TypeModes::default(), 1186, -1, &text) else {
            panic!("it is no number");
        };
        let rest = SignedDuration::from_hours(24 * i64::from(days)) + SignedDuration::from_micros(micros);
        let exact = f64::from(years * 12 + months) * 365.25 / 12.0 * 86_400e6 + rest.as_secs_f64() * 1e6;
        // Computed in doubles: close to the exact number, not always equal.
        prop_assert!((read as f64 - exact).abs() <= 100.0, "{} and {}", read, exact);
    }

    #[test]
    fn iso_texts_are_read_by_another_library(micros in -62_000_000_000_000_000i64..250_000_000_000_000_000) {
        let moment = DateTime::constant(1970, 1, 1, 0, 0, 0, 0) + Span::new().microseconds(micros);
        let text = moment.strftime("%Y-%m-%d %H:%M:%S%.f").to_string();
        let iso = |oid, text: &str| match read(modes(|modes| modes.time = TimeMode::Isostring), oid, -1, text) {
            Value::String(text) => text.strip_suffix('Z').unwrap().to_owned(),
            other => panic!("{other:?} is no text"),
        };
        prop_assert_eq!(iso(1114, &text).parse::<DateTime>().unwrap(), moment);
        prop_assert_eq!(iso(1082, &text[..10]).parse::<jiff::civil::Date>().unwrap(), moment.date());
        prop_assert_eq!(iso(1083, &text[11..]).parse::<Time>().unwrap(), moment.time());
    }

    #[test]
    fn times_with_zone(micros in 0i64..86_400_000_000, offset in -15 * 3600i32..=15 * 3600) {
        let time = Time::midnight().wrapping_add(Span::new().microseconds(micros));
        let (sign, seconds) = (if offset < 0 { '-' } else { '+' }, offset.abs());
        let offset_text = format!("{sign}{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
        let text = format!("{}{offset_text}", time.strftime("%H:%M:%S%.f"));
        let Value::String(read) = read(TypeModes::default(), 1266, -1, &text) else {
            panic!("it is no text");
        };
        let utc = time.wrapping_sub(Span::new().seconds(i64::from(offset)));
        prop_assert_eq!(read.strip_suffix('Z').unwrap().parse::<Time>().unwrap(), utc);
    }

    #[test]
    fn hstores(pairs in proptest::collection::btree_map("[^\0]{0,5}", proptest::option::of("[^\0]*"), 0..40)) {
        let text = hstore(&pairs);
        let Value::String(json) = read(TypeModes::default(), HSTORE, -1, &text) else {
            panic!("it is no text");
        };
        let parsed: std::collections::BTreeMap<String, Option<String>> = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(&parsed, &pairs);
        let Value::Map(map) = read(modes(|modes| modes.hstore = HstoreMode::Map), HSTORE, -1, &text) else {
            panic!("it is no map");
        };
        let map: std::collections::BTreeMap<String, Option<String>> = map
            .into_iter()
            .map(|(key, value)| match value {
                Value::Union(_, value) => match *value {
                    Value::Null => (key, None),
                    Value::String(text) => (key, Some(text)),
                    other => panic!("{other:?} is no text"),
                },
                other => panic!("{other:?} is not in a union"),
            })
            .collect();
        prop_assert_eq!(map, pairs);
    }

    #[test]
    fn vectors(numbers in proptest::collection::vec(any::<f32>().prop_filter("finite", |value| value.is_finite()), 1..50)) {
        let texts: Vec<String> = numbers.iter().map(|number| format!("{number:e}")).collect();
        let Value::Array(read) = read(TypeModes::default(), VECTOR, -1, &format!("[{}]", texts.join(","))) else {
            panic!("it is no list");
        };
        let doubles: Vec<Value> = texts.iter().map(|text| Value::Double(text.parse().unwrap())).collect();
        prop_assert_eq!(read, doubles);
    }

    #[test]
    fn no_input_panics(
        text in "[-+0-9a-fxyzNIT:;,.(){}\\[\\]\"\\\\=> $€/Z]{0,40}",
        oid in proptest::sample::select(vec![
            16u32, 17, 20, 23, 26, 114, 142, 600, 603, 650, 700, 701, 774, 790, 829, 869, 1007, 1009, 1020, 1042, 1082, 1083, 1114, 1184,
            1186, 1187, 1231, 1266, 1560, 1562, 1700, 2950, 3614, 3904, 4451, HSTORE, VECTOR, super::HALFVEC, super::SPARSEVEC,
            super::GEOMETRY, super::GEOMETRIES, super::MOODS, super::POINTS3,
        ]),
        decimal in proptest::sample::select(vec![DecimalMode::Precise, DecimalMode::Double, DecimalMode::String]),
        time in proptest::sample::select(vec![TimeMode::Adaptive, TimeMode::Connect, TimeMode::Isostring, TimeMode::Nanoseconds]),
        modifier in proptest::sample::select(vec![-1i32, 0, 1, 3, 9, super::numeric(10, 2)]),
    ) {
        let modes = TypeModes { decimal, time, interval: IntervalMode::String, hstore: HstoreMode::Map, ..TypeModes::default() };
        let row = [Column::Text(b"1"), Column::Text(text.as_bytes())];
        if let Err(error) = table(modes, oid, modifier).inserted(&row, "v") {
            prop_assert!(error.to_string().starts_with("column v of public.t"), "{}", error);
        }
    }
}
