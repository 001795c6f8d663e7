//! Random values of each data type, read back by an independent decoder.

use apache_avro::types::Value;
use jiff::civil::{Date, date};
use num_bigint::BigInt;
use proptest::prelude::*;
use walcast_pgoutput::Column;

use crate::table::{INT4, TEXT, Table};

fn read(oid: u32, modifier: i32, text: &str) -> Value {
    let table = Table::new(&[("id", INT4, -1), ("v", oid, modifier)]);
    match table
        .inserted(&[Column::Text(b"1"), Column::Text(text.as_bytes())], "v")
        .unwrap()
    {
        Value::Union(_, value) => *value,
        other => panic!("{other:?} is not in a union"),
    }
}

/// A date as the server prints it.
fn print_date(day: Date) -> (String, &'static str) {
    let (year, era) = if day.year() > 0 {
        (day.year(), "")
    } else {
        (1 - day.year(), " BC")
    };
    (format!("{year:04}-{:02}-{:02}", day.month(), day.day()), era)
}

fn any_date() -> impl Strategy<Value = (Date, i64)> {
    const EPOCH: Date = date(1970, 1, 1);
    // Years 4713 BC to 9999, the end of jiff's calendar; Postgres's range is larger.
    (-2_440_550i64..2_932_896).prop_map(|days| (EPOCH + jiff::Span::new().days(days), days))
}

fn quoted(element: &str) -> String {
    format!("\"{}\"", element.replace('\\', "\\\\").replace('"', "\\\""))
}

const DAY_MICROS: i64 = 86_400_000_000;

fn print_time(micros: i64) -> String {
    let seconds = micros / 1_000_000;
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction = format!(".{:06}", micros % 1_000_000);
    format!(
        "{h:02}:{m:02}:{s:02}{}",
        fraction.trim_end_matches('0').trim_end_matches('.')
    )
}

proptest! {
    #[test]
    fn whole_numbers(value: i64) {
        prop_assert_eq!(read(20, -1, &value.to_string()), Value::Long(value));
    }

    #[test]
    fn floats(bits: u32) {
        let value = f32::from_bits(bits);
        prop_assume!(!value.is_nan());
        let text = value.to_string().replace("inf", "Infinity");
        prop_assert_eq!(read(700, -1, &text), Value::Float(value));
    }

    #[test]
    fn doubles(value in any::<f64>()) {
        prop_assert_eq!(read(701, -1, &format!("{value:e}")), Value::Double(value));
    }

    #[test]
    fn text(value in "[^\0]*") {
        prop_assert_eq!(read(TEXT, -1, &value), Value::String(value));
    }

    #[test]
    fn bytes(value: Vec<u8>) {
        let hexadecimal: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
        prop_assert_eq!(read(17, -1, &format!("\\x{hexadecimal}")), Value::Bytes(value.clone()));
        let escaped: String = value.iter().map(|byte| match byte {
            b'\\' => "\\\\".to_owned(),
            0x20..=0x7E => char::from(*byte).to_string(),
            other => format!("\\{other:03o}"),
        }).collect();
        prop_assert_eq!(read(17, -1, &escaped), Value::Bytes(value));
    }

    #[test]
    fn decimals(negative: bool, whole in "(0|[1-9][0-9]{0,60})", fraction in "[0-9]{10}") {
        let text = format!("{}{whole}.{fraction}", if negative { "-" } else { "" });
        let unscaled: BigInt = text.replace('.', "").parse().unwrap();
        let Value::Decimal(decimal) = read(1700, (80 << 16) + 10 + 4, &text) else { panic!("no decimal") };
        let bytes: Vec<u8> = (&decimal).try_into().unwrap();
        prop_assert_eq!(bytes, unscaled.to_signed_bytes_be());

        let Value::Record(fields) = read(1700, -1, &text) else { panic!("no record") };
        let (Value::Int(scale), Value::Bytes(value)) = (&fields[0].1, &fields[1].1) else { panic!("{fields:?}") };
        let cut = 10 - u32::try_from(*scale).unwrap();
        let number = BigInt::from_signed_bytes_be(value);
        prop_assert_eq!(&number * BigInt::from(10).pow(cut), unscaled.clone());
        prop_assert_eq!(value, &number.to_signed_bytes_be());
        prop_assert!(*scale == 0 || &number % 10 != BigInt::from(0), "{} could be shorter", scale);
    }

    #[test]
    fn dates((day, days) in any_date()) {
        let (text, era) = print_date(day);
        prop_assert_eq!(read(1082, -1, &format!("{text}{era}")), Value::Int(i32::try_from(days).unwrap()));
    }

    #[test]
    fn timestamps((day, days) in any_date(), micros in 0..DAY_MICROS) {
        let ((text, era), time) = (print_date(day), print_time(micros));
        prop_assert_eq!(read(1114, -1, &format!("{text} {time}{era}")), Value::Long(days * DAY_MICROS + micros));
        prop_assert_eq!(read(1083, -1, &time), Value::Long(micros));
    }

    #[test]
    fn moments((day, _) in any_date(), micros in 0..DAY_MICROS, offset_minutes in -15 * 60 + 1..15 * 60i64) {
        let ((text, era), time) = (print_date(day), print_time(micros));
        let sign = if offset_minutes < 0 { '-' } else { '+' };
        let (h, m) = (offset_minutes.abs() / 60, offset_minutes.abs() % 60);
        let Value::String(shown) = read(1184, -1, &format!("{text} {time}{sign}{h:02}:{m:02}{era}")) else {
            panic!("no text")
        };
        let local = day.at(0, 0, 0, 0) + jiff::Span::new().microseconds(micros);
        let utc = local - jiff::Span::new().minutes(offset_minutes);
        let year = if utc.year() < 0 { format!("-{:04}", -utc.year()) } else { format!("{:04}", utc.year()) };
        let wanted = format!("{year}-{}Z", utc.strftime("%m-%dT%H:%M:%S.%6f"));
        prop_assert_eq!(shown, wanted);
    }

    #[test]
    fn arrays_of_text(elements in proptest::collection::vec(proptest::option::of("[^\0]*"), 0..8)) {
        let printed: Vec<String> =
            elements.iter().map(|element| element.as_deref().map_or("NULL".to_owned(), quoted)).collect();
        let wanted = elements.into_iter().map(|element| match element {
            None => Value::Union(0, Box::new(Value::Null)),
            Some(text) => Value::Union(1, Box::new(Value::String(text))),
        });
        prop_assert_eq!(read(1009, -1, &format!("{{{}}}", printed.join(","))), Value::Array(wanted.collect()));
    }

    /// Any bytes on the wire are written or rejected.
    #[test]
    fn no_input_panics(text: Vec<u8>, type_index in 0usize..42, modifier: i32) {
        const TYPES: [u32; 42] = [
            16, 17, 18, 19, 20, 21, 23, 25, 26, 114, 700, 701, 1042, 1043, 1082, 1083, 1114, 1184, 1700, 2950, 3802,
            199, 1000, 1001, 1002, 1003, 1005, 1007, 1009, 1014, 1015, 1016, 1021, 1022, 1028, 1115, 1182, 1183, 1185,
            1231, 2951, 3807,
        ];
        let table = Table::new(&[("id", INT4, -1), ("v", TYPES[type_index], modifier)]);
        let written = table.inserted(&[Column::Text(b"1"), Column::Text(&text)], "v");
        let repeated = table.inserted(&[Column::Text(b"1"), Column::Text(&text)], "v");
        prop_assert_eq!(format!("{written:?}"), format!("{repeated:?}"));
    }
}
