//! Random values of each type, made by the server, sent through the WAL, encoded, decoded by another library, and given
//! back to the server: its own cast to and from text is the judge.

use std::collections::BTreeMap;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use num_bigint::{BigInt, BigUint};
use walcast_delivery::{Catalog as _, ChangeStream, Source as _};
use walcast_mapper::config::{ArrayMode, BinaryMode, DecimalMode, IntervalMode, TimeMode, TypeModes};
use walcast_mapper::{
    ChangeContext, MapperConfig, Ordinal, Plan, RecordBuffer, RowChange, SchemaId, SchemaIds,
};
use walcast_pgoutput::{Decoder, Frame, Lsn, Message, PgTimestamp, Relation, Xid};
use walcast_testbed::{Postgres, PostgresOptions};

use crate::{LIMIT, set_up, source};

/// A column: its type, what the server fills it with, and what must hold between its value `v` and the text `x` of what
/// was decoded, in Debezium's modes and in others.
struct Case {
    column: &'static str,
    of: &'static str,
    value: &'static str,
    holds: &'static str,
    holds_otherwise: &'static str,
}

const fn case(
    column: &'static str,
    of: &'static str,
    value: &'static str,
    holds: &'static str,
    holds_otherwise: &'static str,
) -> Case {
    Case {
        column,
        of,
        value,
        holds,
        holds_otherwise,
    }
}

/// Days and times of the years 1 to 9999, which the server reads as ISO 8601 too.
const MOMENT: &str = "timestamp '0001-01-01' + floor(random() * 3652058) * interval '1 day'
    + floor(random() * 86400000000) * interval '1 us'";
/// Exact in 64 bits: a product of an interval and a number is reckoned in floating point.
const MICROS: &str = "timestamp 'epoch' + (x::bigint / 86400000000) * interval '1 day'
    + (x::bigint % 86400000000) * interval '1 us' = v";

const CASES: [Case; 29] = [
    case("i2", "smallint", "random() * 65535 - 32768", "x::smallint = v", "x::smallint = v"),
    case("i8", "bigint", "(random() * 18e18 - 9e18)::numeric", "x::bigint = v", "x::bigint = v"),
    case("f4", "real", "(random() * 2 - 1) * 10 ^ (random() * 60 - 30)", "x::real = v", "x::real = v"),
    case("f8", "float8", "(random() * 2 - 1) * 10 ^ (random() * 600 - 300)", "x::float8 = v", "x::float8 = v"),
    case("n", "numeric(10, 2)", "random() * 2e7 - 1e7", "(x || 'e-2')::numeric = v", "x = v::text"),
    case(
        "nf",
        "numeric",
        "(random() * 2e15 - 1e15)::numeric * power(10::numeric, (random() * 40 - 20)::int)",
        "x::numeric = v",
        "x = v::text",
    ),
    case("m", "money", "(random() * 1e12 - 5e11)::numeric::money", "(x || 'e-2')::numeric = v::numeric", "x::numeric = v::numeric"),
    case("b", "bit(37)", "(random() * 9e15)::bigint::bit(37)", "lpad(x, 37, '0') = v::text", "lpad(x, 37, '0') = v::text"),
    case("vb", "varbit", "(random() * 9e15)::bigint::bit(50)::varbit", "x = ltrim(v::text, '0')", "x = ltrim(v::text, '0')"),
    case("d", "date", MOMENT, "date '1970-01-01' + x::int = v", "rtrim(x, 'Z')::date = v"),
    case("t", "time", MOMENT, "x::bigint * interval '1 us' = v::interval", "rtrim(x, 'Z')::time = v"),
    case("t3", "time(3)", MOMENT, "x::bigint * interval '1 ms' = v::interval", "rtrim(x, 'Z')::time = v"),
    case("ts", "timestamp", MOMENT, MICROS, "rtrim(x, 'Z')::timestamp = v"),
    case("tz", "timestamptz", MOMENT, "x::timestamptz = v", "x::timestamptz = v"),
    case(
        "z",
        "timetz",
        "(timestamp '2000-01-01' + random() * interval '1 day')::time::text
            || CASE WHEN random() < 0.5 THEN '+' ELSE '-' END || (random() * 14)::int::text || ':30'",
        "rtrim(x, 'Z')::time = (v AT TIME ZONE 'UTC')::time",
        "rtrim(x, 'Z')::time = (v AT TIME ZONE 'UTC')::time",
    ),
    case(
        "iv",
        "interval",
        "(random() * 200 - 100)::int * interval '1 month' + (random() * 2000 - 1000)::int * interval '1 day'
            + (random() * 2e12 - 1e12)::bigint * interval '1 us'",
        "abs(x::numeric - 1e6 * (extract(year from v) * 365.25 * 86400 + extract(month from v) * 365.25 / 12 * 86400
            + extract(day from v) * 86400 + extract(hour from v) * 3600 + extract(minute from v) * 60 + extract(second from v))) <= 2",
        "x::interval = v AND extract(day from x::interval) = extract(day from v)",
    ),
    case("txt", "text", "string_agg(chr((1 + random() * 5000)::int), '')", "x = v", "x = v"),
    case("c", "char(9)", "left(md5(random()::text), (random() * 9)::int)", "x = rpad(v::text, 9)", "x = rpad(v::text, 9)"),
    case("by", "bytea", "decode(md5(random()::text), 'hex')", "x::bytea = v", "decode(x, 'hex') = v"),
    case("u", "uuid", "md5(random()::text)::uuid", "x::uuid = v", "x::uuid = v"),
    case("j", "jsonb", "jsonb_build_object(md5(random()::text), random())", "x::jsonb = v", "x::jsonb = v"),
    case("h", "hstore", "hstore(md5(random()::text), chr((1 + random() * 120)::int))", "(SELECT hstore(min(key), min(value)) FROM json_each_text(x::json)) = v", "(SELECT hstore(min(key), min(value)) FROM json_each_text(x::json)) = v"),
    case("p", "point", "point(random() * 1e9, random())", "x::point ~= v", "x::point ~= v"),
    case("bx", "box", "box(point(random(), random()), point(random(), random()))", "x = v::text", "x = v::text"),
    case("r", "int4range", "int4range((random() * 9)::int, 10 + (random() * 9)::int)", "x::int4range = v", "x::int4range = v"),
    case("mr", "int4multirange", "int4multirange(int4range((random() * 9)::int, 10 + (random() * 9)::int))", "x = v::text", "x = v::text"),
    case(
        "ia",
        "integer[]",
        "array_agg(nullif((random() * 3)::int, 0))",
        "x::int[] = v",
        "x = v::text",
    ),
    case(
        "ta",
        "text[]",
        "array_agg(chr((1 + random() * 200)::int) || chr((1 + random() * 200)::int))",
        "x::text[] = v",
        "x = v::text",
    ),
    case("pr", "pair", "row((random() * 9)::int, chr((1 + random() * 200)::int))::pair", "x = v::text", "x = v::text"),
];

const ROWS: i32 = 200;

#[tokio::test]
async fn the_server_reads_back_what_was_decoded() {
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    let columns: Vec<String> = CASES
        .iter()
        .map(|case| format!("{} {}", case.column, case.of))
        .collect();
    let table = format!(
        "CREATE EXTENSION hstore; CREATE TYPE pair AS (a int, b text);
         CREATE TABLE t (id int PRIMARY KEY, {})",
        columns.join(", ")
    );
    server.execute(&table).await.unwrap();
    let mut source = source(&server.url());
    let (_, from) = set_up(&mut source).await.unwrap();
    let values: Vec<String> = CASES
        .iter()
        // Aggregates put a few together; of the others the first is taken. `n` makes each row's another one.
        .map(|case| {
            format!(
                "(SELECT ({})::{} FROM generate_series(1, 2 + n % 3) LIMIT 1)",
                case.value, case.of
            )
        })
        .collect();
    let insert = format!(
        "SELECT setseed(0.5); INSERT INTO t SELECT n, {} FROM generate_series(1, {ROWS}) n",
        values.join(", ")
    );
    server.execute(&insert).await.unwrap();

    let otherwise = TypeModes {
        decimal: DecimalMode::String,
        time: TimeMode::Isostring,
        interval: IntervalMode::String,
        binary: BinaryMode::Hex,
        arrays: ArrayMode::Text,
        ..TypeModes::default()
    };
    let mut started = source.start(from).await.unwrap();
    let mut decoded = BTreeMap::new();
    let reading = async {
        let mut decoder = Decoder::new();
        let mut plans: Vec<Plan> = Vec::new();
        loop {
            for frame in started.stream.next().await.unwrap().frames() {
                let Frame::XLogData { message, .. } = frame.unwrap() else {
                    continue;
                };
                match decoder.decode(message).unwrap() {
                    Message::Relation(relation) => {
                        let facts = started.catalog.table_metadata(&relation, None).await.unwrap();
                        plans = [TypeModes::default(), otherwise.clone()]
                            .map(|modes| compile(&relation, &facts, modes))
                            .into();
                    }
                    Message::Insert(insert) => {
                        for (place, plan) in plans.iter_mut().enumerate() {
                            let row = decode(plan, &RowChange::Insert { new: insert.new });
                            for (column, value) in row {
                                decoded
                                    .entry((place, column))
                                    .or_insert_with(Vec::new)
                                    .push(value);
                            }
                        }
                    }
                    Message::Commit(_) if !decoded.is_empty() => return,
                    _ => {}
                }
            }
        }
    };
    tokio::time::timeout(LIMIT, reading)
        .await
        .expect("no insert arrived");

    let client = server.client().await.unwrap();
    for (place, modes) in [(0, "Debezium's modes"), (1, "other modes")] {
        let ids: Vec<i32> = decoded[&(place, "id".to_owned())]
            .iter()
            .map(|id| id.parse().unwrap())
            .collect();
        assert_eq!(ids.len(), usize::try_from(ROWS).unwrap());
        for case in &CASES {
            let holds = if place == 0 {
                case.holds
            } else {
                case.holds_otherwise
            };
            let query = format!(
                "SELECT v::text, x FROM (SELECT t.id, t.{} AS v FROM t) AS t
                 JOIN unnest($1::int[], $2::text[]) AS read (id, x) USING (id)
                 WHERE ({holds}) IS NOT TRUE",
                case.column
            );
            let texts = &decoded[&(place, case.column.to_owned())];
            let wrong = client.query(&query, &[&ids, texts]).await.unwrap();
            let shown: Vec<(String, String)> =
                wrong.iter().take(3).map(|row| (row.get(0), row.get(1))).collect();
            assert!(shown.is_empty(), "{} in {modes}: {shown:?}", case.of);
        }
    }
}

fn compile(relation: &Relation, facts: &walcast_mapper::TableMetadata, modes: TypeModes) -> Plan {
    let mut config = MapperConfig::new("p", "db");
    config.types = modes;
    let mut plan = Plan::compile(relation, facts, &config).unwrap();
    plan.bind(SchemaIds {
        key: Some(SchemaId::new(1)),
        value: Some(SchemaId::new(2)),
    });
    plan
}

/// The fields of `after` as texts.
fn decode(plan: &mut Plan, change: &RowChange<'_>) -> Vec<(String, String)> {
    let context = ChangeContext {
        xid: Xid::new(1),
        commit_lsn: Lsn::new(1),
        commit_time: PgTimestamp::from_unix_micros(0),
        lsn: Lsn::new(1),
        ordinal: Ordinal::new(0),
        previous_commit_end: None,
        origin: None,
        transaction_context: None,
        processed_at_unix_nanos: 0,
    };
    let mut batch = RecordBuffer::new();
    plan.encode(change, &context, None, &mut batch).unwrap();
    let schema = Schema::parse_str(plan.value_schema().unwrap()).unwrap();
    let mut body = &batch.records().next().unwrap().value.unwrap()[5..];
    let record = GenericDatumReader::builder(&schema)
        .build()
        .unwrap()
        .read_value(&mut body)
        .unwrap();
    let Value::Record(mut fields) = record else {
        panic!("{record:?} is no record");
    };
    let (_, after) = fields.swap_remove(1);
    let Value::Union(_, after) = after else {
        panic!("{after:?} is in no union");
    };
    let Value::Record(fields) = *after else {
        panic!("{after:?} is no row");
    };
    fields
        .into_iter()
        .map(|(name, value)| {
            let is_bits = matches!(name.as_str(), "b" | "vb");
            let text = if is_bits { bits(&value) } else { text(&value) };
            (name, text)
        })
        .collect()
}

/// A value as the server reads it.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Union(_, value) => text(value),
        Value::Int(number) => number.to_string(),
        Value::Long(number) => number.to_string(),
        Value::Float(number) => format!("{number:e}"),
        Value::Double(number) => format!("{number:e}"),
        Value::String(text) => text.clone(),
        Value::Bytes(bytes) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("\\x{digits}")
        }
        Value::Decimal(number) => BigInt::from(number.clone()).to_string(),
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(element).collect();
            format!("{{{}}}", values.join(","))
        }
        Value::Record(fields) => match fields.as_slice() {
            [(_, Value::Int(scale)), (_, Value::Bytes(number))] => {
                format!("{}e-{scale}", BigInt::from_signed_bytes_be(number))
            }
            [(_, Value::Double(x)), (_, Value::Double(y)), ..] => format!("({x:e},{y:e})"),
            other => panic!("{other:?} is not expected"),
        },
        other => panic!("{other:?} is not expected"),
    }
}

fn element(value: &Value) -> String {
    match value {
        Value::Union(_, value) => element(value),
        Value::String(text) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        other => text(other),
    }
}

/// Bytes, the last bit first, as a bit string without zeros in front.
fn bits(value: &Value) -> String {
    match value {
        Value::Union(_, value) => bits(value),
        Value::Bytes(bytes) if bytes.is_empty() => String::new(),
        Value::Bytes(bytes) => BigUint::from_bytes_le(bytes).to_str_radix(2),
        other => panic!("{other:?} is no bit string"),
    }
}
