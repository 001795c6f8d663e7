//! Chunks of a table, which can be read in parallel.

use std::collections::VecDeque;

use walcast_delivery::{ChosenRows, NextRow};
use walcast_mapper::TableName;
use walcast_pgoutput::{Oid, Tid};

use crate::catalog::{Part, TableDescription};

/// First version with TID range scans, which read a range of `ctid` without scanning the table.
pub(super) const RANGES_SINCE: u32 = 140_000;

/// Default block size. With another block size of the server chunks have another size.
const BLOCK_BYTES: u64 = 8192;

/// Number of blocks of a chunk: small enough to be read ahead into memory, large enough for the cost of a statement to be negligible.
const CHUNK_BLOCKS: u32 = 1024;

/// Chunk of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) table: Oid,
    /// Name of the table or partition.
    pub(super) name: TableName,
    pub(super) file: Oid,
    pub(super) sql: String,
    pub(super) bytes: u64,
    /// Whether a condition or the publication's row filter is evaluated: the server's errors may hold values of rows then.
    pub(super) has_condition: bool,
}

/// Chunks that are left to be read from the row `from` on, in order. The row's `ctid` has no meaning once `relfilenode` has changed.
pub(super) fn plan(
    table: &TableDescription,
    rows: ChosenRows<'_>,
    from: Option<NextRow>,
    server_version: u32,
) -> VecDeque<Chunk> {
    let is_few = matches!(rows, ChosenRows::Few(_));
    let has_condition = table.filter.is_some() || rows.condition().is_some();
    // A condition may be evaluated by an index, whose order is not that of `ctid`. Old servers would have to sort a whole table, so they
    // use no index: `import`.
    let sorted = has_condition && (is_few || server_version >= RANGES_SINCE);
    let mut chunks = VecDeque::new();
    for part in &table.parts {
        let start = match from {
            Some(next) if part.oid < next.row().table => continue,
            Some(next) if part.oid == next.row().table && part.file == next.file() => next.row().tid,
            Some(_) | None => Tid::START,
        };
        let ranges = match is_few {
            true => vec![(start, None, part.bytes)],
            false => ranges(part, start, server_version),
        };
        for (from, to, bytes) in ranges {
            chunks.push_back(Chunk {
                table: part.oid,
                name: part.name.clone(),
                file: part.file,
                sql: table.copy(part, &condition(from, to), rows.condition(), sorted),
                bytes,
                has_condition,
            });
        }
    }
    chunks
}

fn condition(from: Tid, to: Option<Tid>) -> String {
    let mut conditions = Vec::new();
    if from > Tid::START {
        conditions.push(format!("ctid >= '{from}'"));
    }
    conditions.extend(to.map(|to| format!("ctid < '{to}'")));
    conditions.join(" AND ")
}

/// Ranges of a part. The last range has no end: the visible rows are within the table's size at the snapshot, which is unknown.
fn ranges(part: &Part, start: Tid, server_version: u32) -> Vec<(Tid, Option<Tid>, u64)> {
    let blocks = u32::try_from(part.bytes / BLOCK_BYTES).unwrap_or(u32::MAX);
    let bytes_of = |from: u32, to: u32| u64::from(to.saturating_sub(from)) * BLOCK_BYTES;
    if server_version < RANGES_SINCE {
        return vec![(start, None, bytes_of(start.block, blocks))];
    }
    let mut ranges = Vec::new();
    let mut from = start;
    loop {
        let end = from.block.saturating_add(CHUNK_BLOCKS);
        if end >= blocks {
            ranges.push((from, None, bytes_of(from.block, blocks)));
            return ranges;
        }
        ranges.push((from, Some(Tid::of_block(end)), bytes_of(from.block, end)));
        from = Tid::of_block(end);
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use walcast_delivery::condition::{Condition, Dialect};
    use walcast_delivery::{ChosenRows, NextRow};
    use walcast_mapper::{RowId, TableName};
    use walcast_pgoutput::{Oid, Relation, RelationColumn, ReplicaIdentity, Tid};

    use super::plan;
    use crate::catalog::{Part, TableDescription};

    fn table(parts: &[(u32, u64)]) -> TableDescription {
        let name = |name: String| TableName {
            namespace: "public".to_owned(),
            name,
        };
        TableDescription {
            relation: Relation {
                xid: None,
                oid: Oid::new(100),
                namespace: "public".to_owned(),
                name: "t".to_owned(),
                replica_identity: ReplicaIdentity::Default,
                columns: vec![RelationColumn {
                    is_key: true,
                    name: "Id".to_owned(),
                    type_oid: Oid::new(23),
                    type_modifier: -1,
                }],
            },
            parts: parts
                .iter()
                .map(|(oid, blocks)| Part {
                    oid: Oid::new(*oid),
                    name: name(format!("t{oid}")),
                    file: Oid::new(*oid),
                    bytes: blocks * 8192,
                })
                .collect(),
            filter: None,
        }
    }

    fn check(parts: &[(u32, u64)], from: Option<(u32, Tid)>, version: u32, expected: &Expect) {
        let from = from.map(|(table, tid)| {
            let table = Oid::new(table);
            NextRow::new(RowId { table, tid }, table)
        });
        let chunks = plan(&table(parts), ChosenRows::Configured, from, version);
        let lines: Vec<String> = chunks
            .iter()
            .map(|chunk| format!("{} {} KiB: {}", chunk.table, chunk.bytes / 1024, chunk.sql))
            .collect();
        expected.assert_eq(&lines.join("\n"));
    }

    #[test]
    fn large_tables_are_split_by_ctid() {
        check(
            &[(7, 0)],
            None,
            170_000,
            &expect![[r#"7 0 KiB: COPY (SELECT ctid, "Id" FROM ONLY "public"."t7") TO STDOUT"#]],
        );
        check(
            &[(7, 2500)],
            None,
            170_000,
            &expect![[r#"
                7 8192 KiB: COPY (SELECT ctid, "Id" FROM ONLY "public"."t7" WHERE ctid < '(1024,0)') TO STDOUT
                7 8192 KiB: COPY (SELECT ctid, "Id" FROM ONLY "public"."t7" WHERE ctid >= '(1024,0)' AND ctid < '(2048,0)') TO STDOUT
                7 3616 KiB: COPY (SELECT ctid, "Id" FROM ONLY "public"."t7" WHERE ctid >= '(2048,0)') TO STDOUT"#]],
        );
    }

    #[test]
    fn reading_resumes_at_a_row() {
        check(
            &[(7, 10), (8, 2000), (9, 10)],
            Some((
                8,
                Tid {
                    block: 1500,
                    offset: 3,
                },
            )),
            170_000,
            &expect![[r#"
                8 4000 KiB: COPY (SELECT ctid, "Id" FROM ONLY "public"."t8" WHERE ctid >= '(1500,3)') TO STDOUT
                9 80 KiB: COPY (SELECT ctid, "Id" FROM ONLY "public"."t9") TO STDOUT"#]],
        );
    }

    #[test]
    fn a_table_that_was_rewritten_is_read_from_its_first_row() {
        let tid = Tid {
            block: 1500,
            offset: 3,
        };
        let mut table = table(&[(7, 10), (8, 10)]);
        table.parts[1].file = Oid::new(99);
        let row = RowId {
            table: Oid::new(8),
            tid,
        };
        let from = Some(NextRow::new(row, Oid::new(8)));
        let chunks = plan(&table, ChosenRows::Configured, from, 170_000);
        expect![[r#"COPY (SELECT ctid, "Id" FROM ONLY "public"."t8") TO STDOUT"#]].assert_eq(&chunks[0].sql);
        assert_eq!((chunks.len(), chunks[0].file), (1, Oid::new(99)));
    }

    #[test]
    fn old_servers_read_a_table_as_a_whole() {
        check(
            &[(7, 5000)],
            None,
            130_000,
            &expect![[r#"7 40000 KiB: COPY (SELECT ctid, "Id" FROM ONLY "public"."t7") TO STDOUT"#]],
        );
    }

    fn sql(text: &str) -> Condition {
        Condition::parse(text, Dialect::Sql).unwrap()
    }

    fn comparisons(text: &str) -> Condition {
        Condition::parse(text, Dialect::Comparisons).unwrap()
    }

    fn check_condition(rows: ChosenRows<'_>, version: u32, expected: &Expect) {
        let mut table = table(&[(7, 2500)]);
        table.filter = Some("\"Id\" > 5".to_owned());
        let chunks = plan(&table, rows, None, version);
        let lines: Vec<&str> = chunks.iter().map(|chunk| chunk.sql.as_str()).collect();
        expected.assert_eq(&lines.join("\n"));
    }

    /// An index does not return rows in the order of `ctid`, so they are sorted.
    #[test]
    fn filters_are_combined() {
        check_condition(
            ChosenRows::Where(&sql("true or false")),
            170_000,
            &expect![[r#"
                COPY (SELECT ctid, "Id" FROM (SELECT ctid, * FROM ONLY "public"."t7" WHERE ctid < '(1024,0)' AND ("Id" > 5) OFFSET 0) AS "t" WHERE (
                true or false
                ) ORDER BY ctid) TO STDOUT
                COPY (SELECT ctid, "Id" FROM (SELECT ctid, * FROM ONLY "public"."t7" WHERE ctid >= '(1024,0)' AND ctid < '(2048,0)' AND ("Id" > 5) OFFSET 0) AS "t" WHERE (
                true or false
                ) ORDER BY ctid) TO STDOUT
                COPY (SELECT ctid, "Id" FROM (SELECT ctid, * FROM ONLY "public"."t7" WHERE ctid >= '(2048,0)' AND ("Id" > 5) OFFSET 0) AS "t" WHERE (
                true or false
                ) ORDER BY ctid) TO STDOUT"#]],
        );
        check_condition(
            ChosenRows::Where(&comparisons("\"Id\" > 7")),
            130_000,
            &expect![[r#"
                COPY (SELECT ctid, "Id" FROM (SELECT ctid, "Id" FROM ONLY "public"."t7" WHERE ("Id" > 5)) AS "t" WHERE (
                "Id" OPERATOR(pg_catalog.>) 7
                )) TO STDOUT"#]],
        );
    }

    #[test]
    fn few_rows_are_selected_in_one_chunk() {
        check_condition(
            ChosenRows::Few(&comparisons("\"Id\" = '7'")),
            170_000,
            &expect![[r#"
                COPY (SELECT ctid, "Id" FROM (SELECT ctid, "Id" FROM ONLY "public"."t7" WHERE ("Id" > 5)) AS "t" WHERE (
                "Id" OPERATOR(pg_catalog.=) '7'
                ) ORDER BY ctid) TO STDOUT"#]],
        );
    }
}
