//! Single message transforms: each alias has a `type` and its properties.

use crate::debezium::draft::Setting;
use crate::debezium::rule::Translate::{By, WithAnother};
use crate::debezium::rule::{Outcome, Rule, Value, becomes, not_needed, not_yet};

const ROUTES: &str = "names.routes";
const SHAPE: &str = "format.shape";
const NOT_FLAT: &str = "flat records have no such setting";
const OUTBOX: &str = "outbox tables are not routed yet";

pub(super) const RULES: &[Rule] = &[
    becomes("transforms", ROUTES, By(transforms)).default(""),
    not_needed(
        "transforms.*.type",
        "the property transforms determines the translation of each transform",
    ),
    becomes("transforms.*.regex", ROUTES, WithAnother),
    becomes("transforms.*.replacement", ROUTES, WithAnother),
    becomes("transforms.*.key.enforce.uniqueness", ROUTES, WithAnother),
    becomes("transforms.*.key.field.name", ROUTES, WithAnother),
    becomes("transforms.*.delete.tombstone.handling.mode", SHAPE, WithAnother),
    not_yet("transforms.*.delete.handling.mode", NOT_FLAT),
    not_yet("transforms.*.drop.tombstones", NOT_FLAT),
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

/// Transforms that route records by a regular expression over the topic's name.
const ROUTERS: [Router; 3] = [
    Router {
        class: "org.apache.kafka.connect.transforms.RegexRouter",
        regex: "regex",
        replacement: "replacement",
        key_field: None,
    },
    Router {
        class: "io.debezium.transforms.ByLogicalTableRouter",
        regex: "topic.regex",
        replacement: "topic.replacement",
        key_field: Some("__dbz__physicalTableIdentifier"),
    },
    Router {
        class: "io.debezium.transforms.ToLogicalTopicRouter",
        regex: "topic.regex",
        replacement: "topic.replacement",
        key_field: Some("__dbz__sourceIdentifier"),
    },
];

struct Router {
    class: &'static str,
    regex: &'static str,
    replacement: &'static str,
    /// Default name of the key field that distinguishes rows of different tables, if the transform adds such a field.
    key_field: Option<&'static str>,
}

/// Reasons for common transforms without a counterpart.
const OTHERS: [(&str, &str); 3] = [
    ("EventRouter", OUTBOX),
    (
        "ExtractChangedRecordState",
        "headers with the changed columns are not sent",
    ),
    ("PartitionRouting", "the partition is derived from the key"),
];

fn transforms(value: &Value<'_>) -> Outcome {
    let (mut routes, mut routes_from) = (Vec::new(), vec![value.property.to_owned()]);
    let mut lines = Vec::new();
    let mut refused = Vec::new();
    for alias in value
        .text
        .split(',')
        .map(str::trim)
        .filter(|alias| !alias.is_empty())
    {
        let transform = Transform { alias, value };
        let class = transform.part("type");
        if !transform.part("predicate").is_empty() {
            refused.push(format!("{alias}: predicates of transforms are not supported"));
        } else if let Some(router) = ROUTERS.iter().find(|known| known.class == class) {
            routes.push(transform.route(router, &mut routes_from));
        } else if class == FLATTENING {
            match transform.flat() {
                Ok(flat) => lines.extend(flat),
                Err(problem) => refused.push(problem),
            }
        } else {
            let known = OTHERS.iter().find(|(name, _)| class.contains(name));
            let why = known.map_or("there is no counterpart", |(_, why)| why);
            refused.push(format!("{alias} ({class}): {why}"));
        }
    }
    if !refused.is_empty() {
        return Outcome::Refused(refused.join("; "));
    }
    if !routes.is_empty() {
        let mut line = Setting::new(ROUTES, routes);
        line.from = routes_from;
        lines.push(line);
    }
    Outcome::Lines(lines)
}

/// Transform that reduces a change event to the row.
const FLATTENING: &str = "io.debezium.transforms.ExtractNewRecordState";

/// Transform with its alias.
struct Transform<'v, 'g> {
    alias: &'v str,
    value: &'v Value<'g>,
}

impl<'g> Transform<'_, 'g> {
    fn part(&self, name: &str) -> &'g str {
        self.value.given.connector(&self.property(name)).unwrap_or("")
    }

    fn property(&self, name: &str) -> String {
        format!("transforms.{}.{name}", self.alias)
    }

    fn route(&self, router: &Router, from: &mut Vec<String>) -> toml::Value {
        let mut names = vec!["type", router.regex, router.replacement];
        let mut entry = toml::Table::new();
        // `${` would begin an environment variable in the file, but begins a group here.
        let mut set = |key: &str, text: &str| entry.insert(key.to_owned(), text.replace("${", "$${").into());
        set("pattern", self.part(router.regex));
        set("topic", self.part(router.replacement));
        let is_unique = router.key_field.is_some() && self.part("key.enforce.uniqueness") != "false";
        if let Some(default) = router.key_field.filter(|_| is_unique) {
            let given = self.part("key.field.name");
            set("key_field", if given.is_empty() { default } else { given });
            if !self.part("key.field.regex").is_empty() {
                set("key_pattern", self.part("key.field.regex"));
                set("key_value", self.part("key.field.replacement"));
                names.extend(["key.field.regex", "key.field.replacement"]);
            }
        }
        entry.insert("unique_keys".to_owned(), is_unique.into());
        from.extend(names.iter().map(|name| self.property(name)));
        toml::Value::Table(entry)
    }

    fn flat(&self) -> Result<Vec<Setting>, String> {
        let line = |key: &str, value: toml::Value, property: &str| {
            Setting::new(key, value).from(&[&self.property(property)])
        };
        let mut lines = vec![line(SHAPE, "flat".into(), "type")];
        let deletes = self.part("delete.tombstone.handling.mode");
        if !deletes.is_empty() {
            let Some((_, ours)) = DELETES.iter().find(|(theirs, _)| *theirs == deletes) else {
                return Err(format!("{}: {deletes} is not a mode for deletes", self.alias));
            };
            lines.push(line(
                "format.flat.deletes",
                (*ours).into(),
                "delete.tombstone.handling.mode",
            ));
        }
        for (property, key) in [
            ("add.fields", "format.flat.fields"),
            ("add.headers", "format.flat.headers"),
        ] {
            let names: Vec<String> = self
                .part(property)
                .split(',')
                .map(|name| name.trim().to_owned())
                .collect();
            let names: Vec<String> = names.into_iter().filter(|name| !name.is_empty()).collect();
            if !names.is_empty() {
                lines.push(line(key, names.into(), property));
            }
        }
        for (property, key) in [
            ("add.fields.prefix", "format.flat.fields_prefix"),
            ("add.headers.prefix", "format.flat.headers_prefix"),
        ] {
            if let Some(prefix) = self.value.given.connector(&self.property(property)) {
                lines.push(line(key, prefix.into(), property));
            }
        }
        Ok(lines)
    }
}

/// Modes for deleted rows: Debezium's and walcast's.
const DELETES: [(&str, &str); 5] = [
    ("drop", "drop"),
    ("tombstone", "tombstone"),
    ("rewrite", "rewrite"),
    ("rewrite-with-tombstone", "rewrite_with_tombstone"),
    ("delete-to-tombstone", "delete_to_tombstone"),
];
