//! A table in pieces that can be read side by side.

use std::collections::VecDeque;

use walcast_delivery::{ChosenRows, NextRow};
use walcast_pgoutput::{Oid, Tid};

use crate::catalog::{Described, Part};

/// A range of places can be read without looking at the rest of the table from here on.
pub(super) const RANGES_SINCE: u32 = 140_000;

/// The size of a block, unless the server was built otherwise; then chunks are of another size.
const BLOCK_BYTES: u64 = 8192;

/// How much of a table a chunk is: small enough to be read ahead into memory, large enough that a statement costs nothing.
const CHUNK_BLOCKS: u32 = 1024;

/// A piece of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) table: Oid,
    pub(super) file: Oid,
    pub(super) sql: String,
    pub(super) bytes: u64,
}

/// What is left to be read from the row `from` on, in order. In another file than that of `from` its place means nothing.
pub(super) fn plan(
    table: &Described,
    rows: ChosenRows<'_>,
    from: Option<NextRow>,
    server_version: u32,
) -> VecDeque<Chunk> {
    let is_few = matches!(rows, ChosenRows::Few(_));
    let has_condition = table.filter.is_some() || rows.condition().is_some();
    // A condition may be served by an index, which gives another order than that of places. Old servers, which would have to
    // sort a table as a whole, use none: `import`.
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
                file: part.file,
                sql: table.copy(part, &condition(from, to), rows.condition(), sorted),
                bytes,
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

/// The ranges of a part. The last one has no end: what is seen of a table lies within the size that it had, but that is
/// not for us to know.
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
    use walcast_delivery::{ChosenRows, NextRow};
    use walcast_mapper::{RowId, TableName};
    use walcast_pgoutput::{Oid, Relation, RelationColumn, ReplicaIdentity, Tid};

    use super::plan;
    use crate::catalog::{Described, Part};

    fn table(parts: &[(u32, u64)]) -> Described {
        let name = |name: String| TableName {
            namespace: "public".to_owned(),
            name,
        };
        Described {
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
    fn large_tables_are_cut_by_place() {
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
    fn reading_goes_on_where_it_ended() {
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

    fn check_condition(rows: ChosenRows<'_>, version: u32, expected: &Expect) {
        let mut table = table(&[(7, 2500)]);
        table.filter = Some("\"Id\" > 5".to_owned());
        let chunks = plan(&table, rows, None, version);
        let lines: Vec<&str> = chunks.iter().map(|chunk| chunk.sql.as_str()).collect();
        expected.assert_eq(&lines.join("\n"));
    }

    /// An index does not give rows in the order of their places: they are sorted.
    #[test]
    fn filters_are_put_together() {
        check_condition(
            ChosenRows::Where("true or false"),
            170_000,
            &expect![[r#"
            COPY (SELECT ctid, "Id" FROM ONLY "public"."t7" WHERE ctid < '(1024,0)' AND ("Id" > 5) AND (true or false) ORDER BY ctid) TO STDOUT
            COPY (SELECT ctid, "Id" FROM ONLY "public"."t7" WHERE ctid >= '(1024,0)' AND ctid < '(2048,0)' AND ("Id" > 5) AND (true or false) ORDER BY ctid) TO STDOUT
            COPY (SELECT ctid, "Id" FROM ONLY "public"."t7" WHERE ctid >= '(2048,0)' AND ("Id" > 5) AND (true or false) ORDER BY ctid) TO STDOUT"#]],
        );
        check_condition(
            ChosenRows::Where("true or false"),
            130_000,
            &expect![[
                r#"COPY (SELECT ctid, "Id" FROM ONLY "public"."t7" WHERE ("Id" > 5) AND (true or false)) TO STDOUT"#
            ]],
        );
    }

    #[test]
    fn few_rows_are_looked_for_at_once() {
        check_condition(
            ChosenRows::Few("\"Id\" = '7'"),
            170_000,
            &expect![[
                r#"COPY (SELECT ctid, "Id" FROM ONLY "public"."t7" WHERE ("Id" > 5) AND ("Id" = '7') ORDER BY ctid) TO STDOUT"#
            ]],
        );
    }
}
