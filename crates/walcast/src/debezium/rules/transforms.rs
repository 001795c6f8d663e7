//! Single message transforms: each alias has a `type` and its properties.

mod flat;
mod outbox;
mod route;
mod transform;

use self::flat::{FLATTENING, SHAPE, flat};
use self::outbox::{EVENT_ROUTER, OUTBOX, Outboxes, SPANS};
use self::route::{ROUTES, Routes, router};
use self::transform::Transform;
use crate::debezium::draft::Setting;
use crate::debezium::rule::Translate::{By, WithAnother};
use crate::debezium::rule::{Outcome, Rule, Value, becomes, depends, not_needed, not_yet};

const NOT_FLAT: &str = "flat records have no such setting";

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
    // The first pattern that matches is the property's: those of outbox routers end as those of topic routers do.
    becomes("transforms.*.route.topic.regex", OUTBOX, WithAnother),
    becomes("transforms.*.route.topic.replacement", OUTBOX, WithAnother),
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
    becomes("transforms.*.table.field.event.*", OUTBOX, WithAnother),
    becomes(
        "transforms.*.table.fields.additional.placement",
        OUTBOX,
        WithAnother,
    ),
    becomes(
        "transforms.*.table.fields.additional.error.on.missing",
        OUTBOX,
        WithAnother,
    ),
    becomes("transforms.*.table.field.additional.missing", OUTBOX, WithAnother),
    becomes("transforms.*.table.expand.json.payload", OUTBOX, WithAnother),
    becomes("transforms.*.table.json.payload.*", OUTBOX, WithAnother),
    becomes("transforms.*.table.op.invalid.behavior", OUTBOX, WithAnother),
    becomes("transforms.*.route.by.field", OUTBOX, WithAnother),
    becomes(
        "transforms.*.route.tombstone.on.empty.payload",
        OUTBOX,
        WithAnother,
    ),
    becomes("transforms.*.tracing.span.context.field", OUTBOX, WithAnother),
    not_needed("transforms.*.tracing.*", SPANS),
    becomes("transforms.*.predicate", OUTBOX, WithAnother),
    becomes("transforms.*.negate", OUTBOX, WithAnother),
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
    becomes("predicates", OUTBOX, WithAnother).default(""),
    becomes("predicates.*", OUTBOX, WithAnother),
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
const OTHERS: [(&str, &str); 1] = [("PartitionRouting", "the partition is derived from the key")];

/// Result of the translation of a chain of transforms, each of which applies to the output of the one before.
#[derive(Default)]
struct Chain {
    lines: Vec<Setting>,
    routes: Routes,
    outboxes: Outboxes,
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
        outboxes,
        problems,
        ..
    } = chain;
    lines.extend(routes.into_setting(value.property));
    lines.extend(outboxes.into_setting(value.property));
    Outcome::of(lines, &problems)
}

impl Chain {
    fn add(&mut self, transform: &Transform<'_, '_>) {
        let (alias, class) = (transform.alias, transform.part("type"));
        let name = short(class);
        let problem = if class == EVENT_ROUTER {
            match self.add_outbox(transform) {
                Ok(()) => return,
                Err(problem) => problem,
            }
        } else if !transform.part("predicate").is_empty() {
            "predicates are supported for outbox routers only".to_owned()
        } else if !self.outboxes.is_empty() && (router(class).is_some() || class == FLATTENING) {
            "it follows an outbox router, and would apply to its events too".to_owned()
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

    fn add_outbox(&mut self, transform: &Transform<'_, '_>) -> Result<(), String> {
        let is_changed = !self.routes.is_empty() || !self.lines.is_empty();
        let before = match (&self.changes_topics, is_changed) {
            (Some(alias), _) => Some(alias.as_str()),
            (None, true) => Some("another transform"),
            (None, false) => None,
        };
        self.outboxes.add(transform, before)
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
