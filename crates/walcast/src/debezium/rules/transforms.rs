//! Single message transforms: each alias has a `type` and its properties.

mod flat;
mod route;
mod transform;

use self::flat::{FLATTENING, SHAPE, flat};
use self::route::{ROUTES, Routes, router};
use self::transform::Transform;
use crate::debezium::draft::Setting;
use crate::debezium::rule::Translate::{By, WithAnother};
use crate::debezium::rule::{Outcome, Rule, Value, becomes, depends, not_yet};

const NOT_FLAT: &str = "flat records have no such setting";
const OUTBOX: &str = "outbox tables are not routed yet";

pub(super) const RULES: &[Rule] = &[
    // A transform without counterpart can drop records, remove fields, or change topic and shape.
    becomes("transforms", ROUTES, By(transforms))
        .default("")
        .withholds(),
    depends(
        "transforms.*.type",
        class,
        "the property transforms determines the translation of each transform",
    ),
    becomes("transforms.*.regex", ROUTES, WithAnother),
    becomes("transforms.*.replacement", ROUTES, WithAnother),
    becomes("transforms.*.key.enforce.uniqueness", ROUTES, WithAnother),
    becomes("transforms.*.key.field.name", ROUTES, WithAnother),
    becomes("transforms.*.delete.tombstone.handling.mode", SHAPE, WithAnother),
    becomes("transforms.*.delete.handling.mode", SHAPE, WithAnother),
    becomes("transforms.*.drop.tombstones", SHAPE, WithAnother),
    becomes("transforms.*.add.fields", SHAPE, WithAnother),
    becomes("transforms.*.add.fields.prefix", SHAPE, WithAnother),
    becomes("transforms.*.add.headers", SHAPE, WithAnother),
    becomes("transforms.*.add.headers.prefix", SHAPE, WithAnother),
    not_yet("transforms.*.drop.fields.header.name", NOT_FLAT),
    not_yet("transforms.*.drop.fields.keep.schema.compatible", NOT_FLAT),
    not_yet("transforms.*.replace.null.with.default", NOT_FLAT),
    not_yet("transforms.*.table.field.event.*", OUTBOX),
    not_yet("transforms.*.table.fields.additional.placement", OUTBOX),
    not_yet("transforms.*.table.expand.json.payload", OUTBOX),
    not_yet("transforms.*.table.op.invalid.behavior", OUTBOX),
    not_yet("transforms.*.route.by.field", OUTBOX),
    not_yet("transforms.*.route.topic.regex", OUTBOX),
    not_yet("transforms.*.route.topic.replacement", OUTBOX),
    not_yet("transforms.*.route.tombstone.on.empty.payload", OUTBOX),
    not_yet("transforms.*.tracing.*", OUTBOX),
    becomes("transforms.*.topic.regex", ROUTES, WithAnother),
    becomes("transforms.*.topic.replacement", ROUTES, WithAnother),
    becomes("transforms.*.key.field.regex", ROUTES, WithAnother),
    becomes("transforms.*.key.field.replacement", ROUTES, WithAnother),
    not_yet(
        "transforms.*.partition.*",
        "the partition is derived from the key",
    ),
    not_yet(
        "transforms.*.topic.*",
        "only routes by a regular expression over the topic's name are supported",
    ),
    not_yet(
        "transforms.*",
        "only transforms that select the topic are supported",
    ),
    not_yet("predicates", "predicates of transforms are not supported").default(""),
    not_yet("predicates.*", "predicates of transforms are not supported"),
];

/// Transforms that leave the topic of a record unchanged, by the last part of the class. The classes are Kafka's and Debezium's.
const KEEP_THE_TOPIC: [&str; 17] = [
    "Cast",
    "DropHeaders",
    "ExtractField",
    "ExtractNewRecordState",
    "Filter",
    "Flatten",
    "HeaderFrom",
    "HeaderToValue",
    "HoistField",
    "InsertField",
    "MaskField",
    "PartitionRouting",
    "ReplaceField",
    "SetSchemaMetadata",
    "TimestampConverter",
    "TimezoneConverter",
    "ValueToKey",
];

/// Transforms that only add headers, and why they have no counterpart. A file without them withholds the same data.
const ADD_HEADERS: [(&str, &str); 2] = [
    (
        "ExtractChangedRecordState",
        "headers with the changed columns are not sent",
    ),
    ("InsertHeader", "constant headers are not sent"),
];

/// Reasons for common transforms without a counterpart.
const OTHERS: [(&str, &str); 2] = [
    ("EventRouter", OUTBOX),
    ("PartitionRouting", "the partition is derived from the key"),
];

/// Result of the translation of a chain of transforms, each of which applies to the output of the one before.
#[derive(Default)]
struct Chain {
    lines: Vec<Setting>,
    routes: Routes,
    problems: Vec<String>,
    /// The first transform after which the topics are not known.
    changes_topics: Option<String>,
}

fn transforms(value: &Value<'_>) -> Outcome {
    let mut chain = Chain::default();
    for alias in value
        .text
        .split(',')
        .map(str::trim)
        .filter(|alias| !alias.is_empty())
    {
        chain.add(&Transform { alias, value });
    }
    let Chain {
        mut lines,
        routes,
        problems,
        ..
    } = chain;
    lines.extend(routes.into_setting(value.property));
    Outcome::of(lines, &problems)
}

impl Chain {
    fn add(&mut self, transform: &Transform<'_, '_>) {
        let (alias, class) = (transform.alias, transform.part("type"));
        let name = short(class);
        let problem = if !transform.part("predicate").is_empty() {
            "predicates of transforms are not supported".to_owned()
        } else if let Some(router) = router(class) {
            let before = self.changes_topics.as_deref();
            match self.routes.add(transform, router, before) {
                Ok(()) => return,
                Err(problem) => problem,
            }
        } else if class == FLATTENING {
            let (lines, problems) = flat(transform);
            self.lines.extend(lines);
            self.problems
                .extend(problems.into_iter().map(|problem| format!("{alias}: {problem}")));
            return;
        } else if adds_headers(class).is_some() {
            return;
        } else {
            let known = OTHERS.iter().find(|(known, _)| name == Some(*known));
            known
                .map_or("there is no counterpart", |(_, why)| *why)
                .to_owned()
        };
        self.problems.push(format!("{alias} ({class}): {problem}"));
        if !name.is_some_and(|name| KEEP_THE_TOPIC.contains(&name)) && self.changes_topics.is_none() {
            self.changes_topics = Some(alias.to_owned());
        }
    }
}

/// Last part of a class of Kafka or Debezium, without the part of the record that the transform applies to.
fn short(class: &str) -> Option<&str> {
    let is_known = ["org.apache.kafka.connect.transforms.", "io.debezium.transforms."]
        .iter()
        .any(|package| class.starts_with(package));
    let name = class.rsplit('.').next()?;
    is_known.then(|| name.split('$').next().unwrap_or(name))
}

fn adds_headers(class: &str) -> Option<&'static str> {
    let name = short(class)?;
    let known = ADD_HEADERS.iter().find(|(known, _)| *known == name);
    known.map(|(_, why)| *why)
}

/// Reports transforms that have no counterpart and withhold nothing. All others are part of the chain.
fn class(value: &Value<'_>) -> Outcome {
    match adds_headers(value.text) {
        Some(why) => Outcome::Refused(why.to_owned()),
        None => Outcome::Nothing("the property transforms determines the translation of each transform"),
    }
}
