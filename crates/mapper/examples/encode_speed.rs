//! Prints how many rows a second one core encodes: `cargo run --release -p walcast-mapper --example encode_speed`.
//!
//! Six columns (bigint key, integer, text, numeric(10,2), timestamptz, boolean), inserts and updates in turn, with key,
//! value and headers.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::time::{Duration, Instant};

use walcast_mapper::{
    Batch, ChangeContext, ColumnFacts, MapperConfig, Ordinal, Plan, RowChange, SchemaId, SchemaIds,
    TableFacts,
};
use walcast_pgoutput::reader::Reader;
use walcast_pgoutput::{
    Column, Lsn, Oid, PgTimestamp, Relation, RelationColumn, ReplicaIdentity, Tuple, Xid, encode,
};

const ROWS_A_BATCH: u64 = 1_000;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(1);
const KEEP_BYTES_MAX: usize = 1 << 24;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut plan = plan()?;
    let row = encode::tuple(&[
        Column::Text(b"1234567"),
        Column::Text(b"42"),
        Column::Text(b"a customer's name of usual length"),
        Column::Text(b"1234.56"),
        Column::Text(b"2024-02-29 12:34:56.789012+00"),
        Column::Text(b"t"),
    ]);
    let tuple = Tuple::read(&mut Reader::new(&row))?;
    let mut context = ChangeContext {
        xid: Xid::new(4711),
        commit_lsn: Lsn::new(0x16B_3748),
        commit_time: PgTimestamp::from_unix_micros(1_700_000_000_123_456),
        lsn: Lsn::new(0x16B_3700),
        ordinal: Ordinal::new(0),
        previous_commit_end: Some(Lsn::new(0x16B_3600)),
        processed_at_unix_nanos: 1_700_000_000_223_456_789,
    };
    let mut batch = Batch::new();
    for _ in 0..ROUNDS {
        let mut rows = 0;
        let mut bytes = 0;
        let start = Instant::now();
        while start.elapsed() < ROUND {
            batch.clear(KEEP_BYTES_MAX);
            for _ in 0..ROWS_A_BATCH / 2 {
                plan.encode(&RowChange::Insert { new: tuple }, &context, None, &mut batch)?;
                context.ordinal = context.ordinal.next();
                plan.encode(
                    &RowChange::Update {
                        old: None,
                        new: tuple,
                    },
                    &context,
                    None,
                    &mut batch,
                )?;
                context.ordinal = context.ordinal.next();
            }
            rows += ROWS_A_BATCH;
            bytes += batch.len_bytes() as u64;
        }
        let nanos = u64::try_from(start.elapsed().as_nanos())?;
        let rows_a_second = rows * 1_000_000_000 / nanos;
        println!(
            "{rows_a_second} rows/s, {} ns a row, {} bytes a row",
            nanos / rows,
            bytes / rows
        );
    }
    Ok(())
}

fn plan() -> Result<Plan, Box<dyn std::error::Error>> {
    const COLUMNS: [(&str, u32, i32); 6] = [
        ("id", 20, -1),
        ("quantity", 23, -1),
        ("name", 25, -1),
        ("price", 1700, (10 << 16) + 2 + 4),
        ("placed_at", 1184, -1),
        ("paid", 16, -1),
    ];
    let columns = COLUMNS.map(|(name, oid, type_modifier)| RelationColumn {
        is_key: name == "id",
        name: name.to_owned(),
        type_oid: Oid::new(oid),
        type_modifier,
    });
    let facts = columns.iter().map(|column| ColumnFacts {
        name: column.name.clone(),
        type_oid: column.type_oid,
        type_modifier: column.type_modifier,
        not_null: column.name != "name",
        default_expression: None,
        generated: false,
    });
    let facts = TableFacts {
        columns: facts.collect(),
        key_columns: vec!["id".to_owned()],
        ..TableFacts::default()
    };
    let relation = Relation {
        xid: None,
        oid: Oid::new(16_384),
        namespace: "public".to_owned(),
        name: "orders".to_owned(),
        replica_identity: ReplicaIdentity::Default,
        columns: columns.to_vec(),
    };
    let config = MapperConfig::new("shop", "shop");
    let mut plan = Plan::compile(&relation, &facts, &config)?;
    plan.bind(SchemaIds {
        key: Some(SchemaId::new(1)),
        value: Some(SchemaId::new(2)),
    });
    Ok(plan)
}
