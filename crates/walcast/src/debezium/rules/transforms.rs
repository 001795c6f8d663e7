//! Single message transforms: each alias has a `type`, and what belongs to it.

use crate::debezium::draft::Setting;
use crate::debezium::rule::Translate::{By, WithAnother};
use crate::debezium::rule::{Outcome, Rule, Value, becomes, not_yet};

const ROUTES: &str = "names.routes";

pub(super) const RULES: &[Rule] = &[
    becomes("transforms", ROUTES, By(transforms)).default(""),
    becomes("transforms.*", ROUTES, WithAnother),
    not_yet("predicates", "transforms are chosen by no predicate").default(""),
    not_yet("predicates.*", "transforms are chosen by no predicate"),
];

/// Transforms that send records to other topics by an expression over the topic's name.
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
    /// The field by which rows of several tables are told apart in the key, where one is added.
    key_field: Option<&'static str>,
}

/// What the well-known ones are for, so that the reason is not only a class's name.
const OTHERS: [(&str, &str); 4] = [
    ("ExtractNewRecordState", "flat records are not made yet"),
    ("EventRouter", "outbox tables are not routed yet"),
    ("ExtractChangedRecordState", "headers that name the changed columns are not sent"),
    ("PartitionRouting", "the partition follows from the key"),
];

fn transforms(value: &Value<'_>) -> Outcome {
    let mut routes = Vec::new();
    let mut from = vec![value.property.to_owned()];
    let mut refused = Vec::new();
    for alias in value.text.split(',').map(str::trim).filter(|alias| !alias.is_empty()) {
        let part = |name: &str| value.given.connector(&format!("transforms.{alias}.{name}")).unwrap_or("");
        let class = part("type");
        let Some(router) = ROUTERS.iter().find(|known| known.class == class) else {
            let why = OTHERS.iter().find(|(name, _)| class.contains(name)).map_or("there is no counterpart", |(_, why)| why);
            refused.push(format!("{alias} ({class}): {why}"));
            continue;
        };
        if !part("predicate").is_empty() {
            refused.push(format!("{alias}: a route is chosen by no predicate"));
            continue;
        }
        let mut names = vec!["type", router.regex, router.replacement];
        let mut entry = toml::Table::new();
        // What we would replace from the environment means a group here.
        let mut set = |key: &str, text: &str| entry.insert(key.to_owned(), text.replace("${", "$${").into());
        set("pattern", part(router.regex));
        set("topic", part(router.replacement));
        let is_unique = router.key_field.is_some() && part("key.enforce.uniqueness") != "false";
        if let Some(default) = router.key_field.filter(|_| is_unique) {
            let given = part("key.field.name");
            set("key_field", if given.is_empty() { default } else { given });
            if !part("key.field.regex").is_empty() {
                set("key_pattern", part("key.field.regex"));
                set("key_value", part("key.field.replacement"));
                names.extend(["key.field.regex", "key.field.replacement"]);
            }
        }
        entry.insert("unique_keys".to_owned(), is_unique.into());
        routes.push(toml::Value::Table(entry));
        from.extend(names.iter().map(|name| format!("transforms.{alias}.{name}")));
    }
    if !refused.is_empty() {
        return Outcome::Refused(refused.join("; "));
    }
    let mut line = Setting::new(ROUTES, routes);
    line.from = from;
    Outcome::line(line)
}
