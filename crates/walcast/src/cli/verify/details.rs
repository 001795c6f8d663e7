//! The values of the rows that differ: those of the source are read once more in the same snapshot, those of the topic by offset.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value as Json;
use walcast_verify::{
    ComparedColumns, Digest, FaultKind, Finding, Kind, Outcome, RecordPlace, RecordedChange, SourceRow,
    SourceTable, read_rows, recorded_change,
};

use super::compared::{Compared, Sides, Unit, failed};

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
            let mut difference = self.record_of(unit, compared, finding.record).await?;
            difference.kind = match finding.kind {
                Kind::Missing => "missing",
                Kind::Extra => "extra",
                Kind::Different | Kind::Unverifiable => "different",
            };
            difference.digest = Some(finding.digest.to_string());
            difference.copies = (!compared.comparison.has_key()).then_some(finding.copies);
            if let Some((key, row)) = rows.get(&finding.digest) {
                difference.key = key.clone().or(difference.key);
                difference.source = Some(row.clone());
            }
            difference.columns = differing(difference.source.as_ref(), difference.record.as_ref());
            differences.push(difference);
        }
        for fault in &compared.history.faults {
            let mut difference = self.record_of(unit, compared, Some(fault.record)).await?;
            difference.kind = match fault.kind {
                FaultKind::Repeated => "repeated",
                FaultKind::OutOfOrder => "out_of_order",
            };
            difference.after_offset = Some(fault.after.offset);
            differences.push(difference);
        }
        Ok(differences)
    }

    /// Keys and rows of the source with these digests.
    async fn rows_of_source(
        &mut self,
        unit: &Unit,
        compared: &Compared,
        wanted: &BTreeSet<Digest>,
    ) -> anyhow::Result<BTreeMap<Digest, (Option<Json>, Json)>> {
        let mut rows = BTreeMap::new();
        if wanted.is_empty() {
            return Ok(rows);
        }
        for table in &unit.tables {
            let each = |table: &SourceTable, row: SourceRow| {
                let columns = table.columns();
                let digest = compared.comparison.digest_of(row.key.as_ref(), &row.row, columns);
                if wanted.contains(&digest) {
                    let key = row.key.as_ref().map(walcast_verify::Value::to_json);
                    rows.insert(digest, (key, columns.of_printed_source(&row.row).to_json()));
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

    /// Difference with what a record says.
    async fn record_of(
        &mut self,
        unit: &Unit,
        compared: &Compared,
        place: Option<RecordPlace>,
    ) -> anyhow::Result<Difference> {
        let mut difference = Difference {
            topic: unit.topic.clone(),
            ..Difference::default()
        };
        let Some(place) = place else {
            return Ok(difference);
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
            return Ok(difference);
        };
        let Some(record) = self.decoder.decode(&raw).await? else {
            return Ok(difference);
        };
        difference.id = record.id;
        difference.key = record.key.map(|key| key.to_json());
        let row = match recorded_change(record.value, self.decoder.shape) {
            RecordedChange::Row { after, .. } => Some(after),
            RecordedChange::Deleted { before } => before,
            RecordedChange::Truncated | RecordedChange::Foreign => None,
        };
        let columns = match compared.sources.as_slice() {
            [only] => Some(only.columns()),
            _ => None,
        };
        let has_names = |columns: &&ComparedColumns| columns.names().next().is_some();
        difference.record = row.map(|row| match columns.filter(has_names) {
            Some(columns) => columns.of_printed_record(&row).to_json(),
            None => row.to_json(),
        });
        Ok(difference)
    }
}

/// Columns that two rows do not have in common.
fn differing(source: Option<&Json>, record: Option<&Json>) -> Vec<String> {
    let (Some(Json::Object(source)), Some(Json::Object(record))) = (source, record) else {
        return Vec::new();
    };
    let names: BTreeSet<&String> = source.keys().chain(record.keys()).collect();
    let differ = names
        .into_iter()
        .filter(|name| source.get(*name) != record.get(*name));
    differ.cloned().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_columns_that_differ_are_named() {
        let (source, record) = (json!({"a": 1, "b": 2, "c": 3}), json!({"a": 1, "b": 3, "d": 4}));
        assert_eq!(differing(Some(&source), Some(&record)), ["b", "c", "d"]);
        assert!(differing(Some(&source), None).is_empty());
    }
}
