//! `ExtractNewRecordState`: the transform that reduces a change event to the row.

use super::transform::Transform;
use crate::debezium::draft::Setting;

pub(super) const SHAPE: &str = "format.shape";
pub(super) const FLATTENING: &str = "io.debezium.transforms.ExtractNewRecordState";

const DELETES: &str = "format.flat.deletes";
const DELETE_TOMBSTONE_MODE: &str = "delete.tombstone.handling.mode";
const DELETE_MODE: &str = "delete.handling.mode";
const DROP_TOMBSTONES: &str = "drop.tombstones";

/// Modes for deleted rows: Debezium's and walcast's.
const MODES: [(&str, &str); 5] = [
    ("drop", "drop"),
    ("tombstone", "tombstone"),
    ("rewrite", "rewrite"),
    ("rewrite-with-tombstone", "rewrite_with_tombstone"),
    ("delete-to-tombstone", "delete_to_tombstone"),
];

/// Properties that remove data or select the topic, and have no counterpart.
const WITHOUT_COUNTERPART: [&str; 2] = ["drop.fields.header.name", "route.by.field"];

/// The lines of the flat shape, and the problems of the properties without a counterpart.
pub(super) fn flat(transform: &Transform<'_, '_>) -> (Vec<Setting>, Vec<String>) {
    let line = |key: &str, value: toml::Value, property: &str| {
        Setting::new(key, value).from(&[&transform.property(property)])
    };
    let mut problems: Vec<String> = WITHOUT_COUNTERPART
        .iter()
        .filter(|name| !transform.part(name).is_empty())
        .map(|name| format!("{name} has no counterpart"))
        .collect();
    let mut lines = vec![line(SHAPE, "flat".into(), "type")];
    match deletes(transform) {
        Ok(deletes) => lines.extend(deletes),
        Err(problem) => problems.push(problem),
    }
    for (property, key) in [
        ("add.fields", "format.flat.fields"),
        ("add.headers", "format.flat.headers"),
    ] {
        let names = transform.part(property).split(',').map(str::trim);
        let names: Vec<String> = names.filter(|name| !name.is_empty()).map(str::to_owned).collect();
        if !names.is_empty() {
            lines.push(line(key, names.into(), property));
        }
    }
    for (property, key) in [
        ("add.fields.prefix", "format.flat.fields_prefix"),
        ("add.headers.prefix", "format.flat.headers_prefix"),
    ] {
        if let Some(prefix) = transform.value.given.connector(&transform.property(property)) {
            lines.push(line(key, prefix.into(), property));
        }
    }
    (lines, problems)
}

/// The records of deletes. `delete.tombstone.handling.mode` takes precedence over the two properties that it replaced.
fn deletes(transform: &Transform<'_, '_>) -> Result<Option<Setting>, String> {
    let mode = transform.part(DELETE_TOMBSTONE_MODE);
    if !mode.is_empty() {
        let lower = mode.to_ascii_lowercase();
        let (_, ours) = MODES
            .iter()
            .find(|(theirs, _)| *theirs == lower)
            .ok_or_else(|| format!("{mode} is not a mode for deletes"))?;
        let property = transform.property(DELETE_TOMBSTONE_MODE);
        return Ok(Some(Setting::new(DELETES, *ours).from(&[&property])));
    }
    let given: Vec<String> = [DELETE_MODE, DROP_TOMBSTONES]
        .into_iter()
        .filter(|name| !transform.part(name).is_empty())
        .map(|name| transform.property(name))
        .collect();
    if given.is_empty() {
        return Ok(None);
    }
    let ours = before_3_2(transform)?;
    let mut setting = Setting::new(DELETES, ours);
    setting.from = given;
    Ok(Some(if ours == "tombstone" {
        setting
    } else {
        setting.by_hand(format!(
            "Debezium 3.2 and later ignore {DELETE_MODE} and {DROP_TOMBSTONES}, and send a tombstone for a delete: if the connector is \
             one of these, write \"tombstone\""
        ))
    }))
}

/// The mode that `delete.handling.mode` and `drop.tombstones` had together, with the defaults of Debezium before 3.2. A delete was
/// an event, followed by a tombstone unless `tombstones.on.delete` was off; the first property applied to the event, the second
/// to the tombstone.
fn before_3_2(transform: &Transform<'_, '_>) -> Result<&'static str, String> {
    let drops_tombstones = match transform.part(DROP_TOMBSTONES).to_ascii_lowercase().as_str() {
        "" | "true" => true,
        "false" => false,
        other => return Err(format!("{DROP_TOMBSTONES} = {other} is neither true nor false")),
    };
    let given = &transform.value.given;
    let has_tombstones = given.connector("tombstones.on.delete").map(str::trim) != Some("false");
    let sends_tombstones = has_tombstones && !drops_tombstones;
    match (
        transform.part(DELETE_MODE).to_ascii_lowercase().as_str(),
        sends_tombstones,
    ) {
        ("" | "drop", false) => Ok("drop"),
        ("" | "drop", true) | ("none", false) => Ok("tombstone"),
        ("rewrite", false) => Ok("rewrite"),
        ("rewrite", true) => Ok("rewrite_with_tombstone"),
        ("none", true) => Err(format!(
            "{DELETE_MODE} = none with {DROP_TOMBSTONES} = false sends two records without value for a delete; a mode sends one"
        )),
        (other, _) => Err(format!("{DELETE_MODE} = {other} is not a mode for deletes")),
    }
}
