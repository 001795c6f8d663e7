//! Chunks of a table, which can be read in parallel.
//!
//! A large table has thousands of chunks, and the SQL of a condition can be large: the statement of a chunk is printed when the chunk
//! is read.

use std::collections::VecDeque;

use walcast_delivery::condition::Condition;
use walcast_delivery::{ChosenRows, EventOrder, NextRow};
use walcast_mapper::TableMetadata;
use walcast_pgoutput::Tid;

use super::read_order::ReadOrder;
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
    pub(super) part: Part,
    from: Tid,
    to: Option<Tid>,
    pub(super) bytes: u64,
}

/// Table that is being read, and the condition that selects its rows.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) table: TableDescription,
    pub(super) condition: Option<Condition>,
    /// Whether an index may find the rows, whose order is not that of `ctid`.
    is_sorted: bool,
    is_few: bool,
    order: Option<ReadOrder>,
}

impl Reading {
    pub(super) fn new(table: TableDescription, rows: ChosenRows<'_>, server_version: u32) -> Self {
        let condition = rows.condition().cloned();
        let is_few = matches!(rows, ChosenRows::Few(_));
        let has_condition = table.filter.is_some() || condition.is_some();
        Self {
            table,
            condition,
            // Old servers would have to sort a whole table, so they use no index: `import`.
            is_sorted: has_condition && (is_few || server_version >= RANGES_SINCE),
            is_few,
            order: None,
        }
    }

    /// Has rows read in the order of a column, if the table has it.
    pub(super) fn in_order(mut self, order: Option<EventOrder>, metadata: &TableMetadata) -> Self {
        let mut columns = self.table.relation.columns.iter();
        let order = order.filter(|order| columns.any(|column| column.name == order.column));
        self.order = order.map(|order| ReadOrder::new(order, metadata));
        self
    }

    /// Whether a condition or the publication's row filter is evaluated: the server's errors may hold values of rows then.
    pub(super) fn has_condition(&self) -> bool {
        self.table.filter.is_some() || self.condition.is_some()
    }

    /// Chunks that are left to be read from the row `from` on, in order. The row's `ctid` has no meaning once `relfilenode` has changed.
    pub(super) fn chunks(&self, from: Option<NextRow>, server_version: u32) -> VecDeque<Chunk> {
        let mut chunks = VecDeque::new();
        if self.order.is_some() {
            return self.chunks_in_order(from);
        }
        for part in &self.table.parts {
            let start = match from {
                Some(next) if part.oid < next.row().table => continue,
                Some(next) if part.oid == next.row().table && part.file == next.file() => next.row().tid,
                Some(_) | None => Tid::START,
            };
            let ranges = match self.is_few {
                true => vec![(start, None, part.bytes)],
                false => ranges(part, start, server_version),
            };
            chunks.extend(ranges.into_iter().map(|(from, to, bytes)| Chunk {
                part: part.clone(),
                from,
                to,
                bytes,
            }));
        }
        chunks
    }

    /// The same for rows that are read in an order of their own: each part that stores rows is one chunk.
    fn chunks_in_order(&self, from: Option<NextRow>) -> VecDeque<Chunk> {
        let parts = self.table.parts.iter();
        let left = parts.filter(|part| from.is_none_or(|next| part.oid >= next.row().table));
        let chunks = left.map(|part| Chunk {
            part: part.clone(),
            from: Tid::START,
            to: None,
            bytes: part.bytes,
        });
        chunks.collect()
    }

    /// `COPY` statement of a chunk.
    pub(super) fn statement(&self, chunk: &Chunk) -> String {
        let condition = self.condition.as_ref();
        if let Some(order) = &self.order {
            let range = order.range(chunk.part.oid);
            return self.table.copy(&chunk.part, &range, condition, &order.sort());
        }
        let range = condition_on_place(chunk.from, chunk.to);
        let order = if self.is_sorted { " ORDER BY ctid" } else { "" };
        self.table.copy(&chunk.part, &range, condition, order)
    }
}

fn condition_on_place(from: Tid, to: Option<Tid>) -> String {
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

    use super::Reading;
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
            is_whole: true,
        }
    }

    fn check(parts: &[(u32, u64)], from: Option<(u32, Tid)>, version: u32, expected: &Expect) {
        let from = from.map(|(table, tid)| {
            let table = Oid::new(table);
            NextRow::new(RowId { table, tid }, table)
        });
        let reading = Reading::new(table(parts), ChosenRows::Configured, version);
        let lines: Vec<String> = reading
            .chunks(from, version)
            .iter()
            .map(|chunk| {
                let (table, kib) = (chunk.part.oid, chunk.bytes / 1024);
                format!("{table} {kib} KiB: {}", reading.statement(chunk))
            })
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
    fn columns_whose_names_are_not_utf8_are_read_without_names() {
        let mut table = table(&[(7, 0), (8, 0)]);
        table.relation.oid = Oid::new(7);
        table.relation.columns[0].name = "caf\u{FFFD}".to_owned();
        let statements = |table: &TableDescription| {
            let reading = Reading::new(table.clone(), ChosenRows::Configured, 170_000);
            let chunks = reading.chunks(None, 170_000);
            let statements: Vec<String> = chunks.iter().map(|chunk| reading.statement(chunk)).collect();
            statements.join("\n")
        };
        expect![[r#"
            COPY (SELECT ctid, * FROM ONLY "public"."t7") TO STDOUT
            COPY (SELECT ctid, "caf�" FROM ONLY "public"."t8") TO STDOUT"#]]
        .assert_eq(&statements(&table));
        table.is_whole = false;
        expect![[r#"
            COPY (SELECT ctid, "caf�" FROM ONLY "public"."t7") TO STDOUT
            COPY (SELECT ctid, "caf�" FROM ONLY "public"."t8") TO STDOUT"#]]
        .assert_eq(&statements(&table));
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
        let reading = Reading::new(table, ChosenRows::Configured, 170_000);
        let chunks = reading.chunks(from, 170_000);
        expect![[r#"COPY (SELECT ctid, "Id" FROM ONLY "public"."t8") TO STDOUT"#]]
            .assert_eq(&reading.statement(&chunks[0]));
        assert_eq!((chunks.len(), chunks[0].part.file), (1, Oid::new(99)));
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
        let reading = Reading::new(table, rows, version);
        let chunks = reading.chunks(None, version);
        let lines: Vec<String> = chunks.iter().map(|chunk| reading.statement(chunk)).collect();
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

    /// The condition of a request has up to 16 KiB and is printed into hundreds of KiB: the chunks of a terabyte must not hold it each.
    #[test]
    fn chunks_do_not_hold_the_condition() {
        let condition = format!("\"Id\" IN ({})", vec!["1"; 5000].join(","));
        let rows = comparisons(&condition);
        let reading = Reading::new(table(&[(7, 13_400_000)]), ChosenRows::Where(&rows), 170_000);
        let chunks = reading.chunks(None, 170_000);
        let bytes: usize = chunks.iter().map(|chunk| format!("{chunk:?}").len()).sum();
        assert!(chunks.len() > 10_000 && bytes < 10_000_000, "{bytes} bytes");
        assert!(reading.statement(&chunks[0]).len() > 100_000);
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
