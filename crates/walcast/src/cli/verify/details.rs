//! The values of the rows that differ: those of the source are read once more in the same snapshot, those of the topic by offset.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value as Json;
use walcast_mapper::TableName;
use walcast_mapper::config::Shape;
use walcast_pgoutput::Tuple;
use walcast_verify::{
    Digest, FaultKind, Finding, Kind, Outcome, RecordPlace, RecordedChange, RowKey, SourceRow, SourceTable,
    Value, names_another, read_rows, recorded_change,
};

use super::compared::{Compared, Sides, Unit, failed, source_of};

/// Difference, as it is printed.
#[derive(Debug, Default, Serialize)]
pub(super) struct Difference {
    pub(super) topic: String,
    pub(super) kind: &'static str,
    /// Digest of the key, or of the row of a table without key; `None` for a record in the wrong order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) digest: Option<String>,
    /// Number of copies of the row, in a table without key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) copies: Option<u64>,
    pub(super) key: Option<Json>,
    /// Columns whose values differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) columns: Vec<String>,
    /// Row of the source.
    pub(super) source: Option<Json>,
    /// Row of the topic.
    pub(super) record: Option<Json>,
    /// Header `walcast.id` of the record.
    pub(super) id: Option<String>,
    pub(super) partition: Option<i32>,
    pub(super) offset: Option<i64>,
    /// Offset of the record that the record should not follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) after_offset: Option<i64>,
    /// Table of the row, as far as it is known.
    #[serde(skip)]
    pub(super) table: Option<TableName>,
    /// Key by which the row is read again; `None` if it is not known for certain.
    #[serde(skip)]
    pub(super) row_key: Option<RowKey>,
    /// Whether the record is that of another connector, database or table.
    #[serde(skip)]
    pub(super) is_foreign: bool,
}

/// Row of the source that differs.
struct OfSource {
    table: TableName,
    row_key: Option<RowKey>,
    key: Option<Value>,
    row: Value,
    /// The columns that are compared.
    printed: Json,
}

impl Sides<'_> {
    /// Differences with their values.
    pub(super) async fn details(
        &mut self,
        unit: &Unit,
        compared: &Compared,
    ) -> anyhow::Result<Vec<Difference>> {
        let is_listed = |finding: &&Finding| finding.kind != Kind::Unverifiable;
        let findings: Vec<Finding> = compared
            .tally
            .findings
            .iter()
            .filter(is_listed)
            .copied()
            .collect();
        let of_source = findings.iter().filter(|finding| finding.kind != Kind::Extra);
        let wanted: BTreeSet<Digest> = of_source.map(|finding| finding.digest).collect();
        let rows = self.rows_of_source(unit, compared, &wanted).await?;
        let mut differences = Vec::new();
        for finding in findings {
            let (mut difference, row) = self.record_of(unit, compared, finding.record).await?;
            difference.kind = match finding.kind {
                Kind::Missing => "missing",
                Kind::Extra => "extra",
                Kind::Different | Kind::Unverifiable => "different",
            };
            difference.digest = Some(finding.digest.to_string());
            difference.copies = (!compared.comparison.has_key()).then_some(finding.copies);
            if let Some(source) = rows.get(&finding.digest) {
                let key = source.key.as_ref().map(Value::to_json);
                difference.key = key.or(difference.key);
                difference.source = Some(source.printed.clone());
                difference.table = Some(source.table.clone());
                difference.row_key.clone_from(&source.row_key);
                let table = compared.sources.iter().find(|one| one.name == source.table);
                if let (Some(table), Some(row), Kind::Different) = (table, row, finding.kind) {
                    difference.columns = table.columns().differing(&source.row, &row);
                }
            }
            differences.push(difference);
        }
        for fault in &compared.history.faults {
            let (mut difference, _) = self.record_of(unit, compared, Some(fault.record)).await?;
            difference.kind = match fault.kind {
                FaultKind::Repeated => "repeated",
                FaultKind::OutOfOrder => "out_of_order",
            };
            difference.after_offset = Some(fault.after.offset);
            differences.push(difference);
        }
        Ok(differences)
    }

    /// Rows of the source with these digests.
    async fn rows_of_source(
        &mut self,
        unit: &Unit,
        compared: &Compared,
        wanted: &BTreeSet<Digest>,
    ) -> anyhow::Result<BTreeMap<Digest, OfSource>> {
        let mut rows = BTreeMap::new();
        if wanted.is_empty() {
            return Ok(rows);
        }
        for table in &unit.tables {
            let each = |table: &SourceTable, row: SourceRow, values: Tuple<'_>| {
                let columns = table.columns();
                let digest = compared.comparison.digest_of(row.key.as_ref(), &row.row, columns);
                if wanted.contains(&digest) {
                    let found = OfSource {
                        table: table.name.clone(),
                        row_key: table.row_key(values),
                        printed: columns.of_printed_source(&row.row).to_json(),
                        key: row.key,
                        row: row.row,
                    };
                    rows.insert(digest, found);
                }
                Ok(())
            };
            let mapper = (&self.config.mapper, self.method);
            let read = read_rows(&mut self.snapshot, table, self.rows, mapper, &mut self.pace, each).await;
            // A table that was altered after the comparison is printed without the rows of the source.
            match read.map_err(failed)? {
                Outcome::Read(_) | Outcome::Missing | Outcome::Altered => {}
            }
        }
        Ok(rows)
    }

    /// Difference with what a record says, and the row of the record.
    async fn record_of(
        &mut self,
        unit: &Unit,
        compared: &Compared,
        place: Option<RecordPlace>,
    ) -> anyhow::Result<(Difference, Option<Value>)> {
        let mut difference = Difference {
            topic: unit.topic.clone(),
            ..Difference::default()
        };
        let Some(place) = place else {
            return Ok((difference, None));
        };
        difference.partition = Some(place.partition);
        difference.offset = Some(place.offset);
        // Retention may have removed it meanwhile.
        let raw = compared
            .index
            .record_at(place.partition, place.offset)
            .await
            .ok()
            .flatten();
        let Some(raw) = raw.filter(|raw| raw.offset == place.offset) else {
            return Ok((difference, None));
        };
        let Some(record) = self.decoder.decode(&raw).await? else {
            return Ok((difference, None));
        };
        difference.id = record.id;
        let table = match &record.value {
            Some(value) => source_of(&compared.sources, value),
            None => None,
        };
        let mapper = &self.config.mapper;
        let former_key = |key: &Value| table?.former_key(key, mapper);
        difference.table = table.map(|table| table.name.clone());
        difference.row_key = record.key.as_ref().and_then(former_key);
        if let (Some(table), Some(value)) = (table, &record.value)
            && self.decoder.shape != Shape::Flat
        {
            difference.is_foreign = names_another(value, &mapper.topic_prefix, &mapper.database, &table.name);
        }
        difference.key = record.key.as_ref().map(Value::to_json);
        let row = match recorded_change(record.value, self.decoder.shape) {
            RecordedChange::Row { after, .. } => Some(after),
            RecordedChange::Deleted { before } => before,
            RecordedChange::Truncated | RecordedChange::Foreign => None,
        };
        let columns = table.map(SourceTable::columns);
        let columns = columns.filter(|columns| columns.names().next().is_some());
        difference.record = row.as_ref().map(|row| match columns {
            Some(columns) => columns.of_printed_record(row).to_json(),
            None => row.to_json(),
        });
        Ok((difference, row))
    }
}
