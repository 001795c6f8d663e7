//! Table whose rows `tests/hot_path.rs` counts and `examples/encode_speed.rs` times, so that both figures are about the same work.
//!
//! Six columns: bigint key, integer, text, numeric(10,2), timestamptz, boolean.

use walcast_mapper::config::Encoding;
use walcast_mapper::{
    ChangeContext, ColumnMetadata, MapError, MapperConfig, Ordinal, Plan, SchemaId, SchemaIds, TableMetadata,
};
use walcast_pgoutput::{
    Column, Lsn, Oid, PgTimestamp, Relation, RelationColumn, ReplicaIdentity, Xid, encode,
};

/// OID of the table.
pub(crate) const TABLE: Oid = Oid::new(16_384);

/// Name, type and type modifier of each column.
const COLUMNS: [(&str, u32, i32); 6] = [
    ("id", 20, -1),
    ("quantity", 23, -1),
    ("name", 25, -1),
    ("price", 1700, (10 << 16) + 2 + 4),
    ("placed_at", 1184, -1),
    ("paid", 16, -1),
];

/// Bytes of a row as the server sends it.
pub(crate) fn row() -> Vec<u8> {
    encode::tuple(&[
        Column::Text(b"1234567"),
        Column::Text(b"42"),
        Column::Text(b"a customer's name of usual length"),
        Column::Text(b"1234.56"),
        Column::Text(b"2024-02-29 12:34:56.789012+00"),
        Column::Text(b"t"),
    ])
}

/// Context of the first change.
pub(crate) fn context() -> ChangeContext<'static> {
    ChangeContext {
        xid: Xid::new(4_711),
        commit_lsn: Lsn::new(0x16B_3748),
        commit_time: PgTimestamp::from_unix_micros(1_700_000_000_123_456),
        lsn: Lsn::new(0x16B_3700),
        ordinal: Ordinal::new(0),
        previous_commit_end: Some(Lsn::new(0x16B_3600)),
        origin: None,
        transaction_context: None,
        processed_at_unix_nanos: 1_700_000_000_223_456_789,
    }
}

/// Plan of the table, bound to schema ids.
pub(crate) fn plan(encoding: Encoding) -> Result<Plan, MapError> {
    let columns = COLUMNS.map(|(name, oid, type_modifier)| RelationColumn {
        is_key: name == "id",
        name: name.to_owned(),
        type_oid: Oid::new(oid),
        type_modifier,
    });
    let metadata = columns.iter().map(|column| ColumnMetadata {
        name: column.name.clone(),
        type_oid: column.type_oid,
        type_modifier: column.type_modifier,
        not_null: column.name != "name",
        default_expression: None,
        generated: false,
    });
    let metadata = TableMetadata {
        columns: metadata.collect(),
        key_columns: vec!["id".to_owned()],
        ..TableMetadata::default()
    };
    let relation = Relation {
        xid: None,
        oid: TABLE,
        namespace: "public".to_owned(),
        name: "orders".to_owned(),
        replica_identity: ReplicaIdentity::Default,
        columns: columns.to_vec(),
    };
    let config = MapperConfig {
        key: encoding,
        value: encoding,
        ..MapperConfig::new("shop", "shop")
    };
    let mut plan = Plan::compile(&relation, &metadata, &config)?;
    let id = (encoding == Encoding::Avro).then_some(SchemaId::new(1));
    plan.bind(SchemaIds { key: id, value: id });
    Ok(plan)
}
