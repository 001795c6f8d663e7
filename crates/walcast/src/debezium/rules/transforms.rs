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
const ROUTERS: [(&str, &str, &str); 3] = [
    ("org.apache.kafka.connect.transforms.RegexRouter", "regex", "replacement"),
    ("io.debezium.transforms.ByLogicalTableRouter", "topic.regex", "topic.replacement"),
    ("io.debezium.transforms.ToLogicalTopicRouter", "topic.regex", "topic.replacement"),
];

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
        let router = ROUTERS.iter().find(|(known, ..)| *known == class);
        let Some((_, regex, replacement)) = router else {
            let why = OTHERS.iter().find(|(name, _)| class.contains(name)).map_or("there is no counterpart", |(_, why)| why);
            refused.push(format!("{alias} ({class}): {why}"));
            continue;
        };
        // Rows of several tables in one topic get a field of their own in the key; a route does not add it.
        let is_debezium = class.starts_with("io.debezium.");
        if is_debezium && part("key.enforce.uniqueness") != "false" {
            refused.push(format!("{alias}: key.enforce.uniqueness adds a field to the key, which a route does not"));
            continue;
        }
        let mut entry = toml::Table::new();
        entry.insert("regex".to_owned(), part(regex).into());
        entry.insert("topic".to_owned(), part(replacement).into());
        routes.push(toml::Value::Table(entry));
        from.extend(["type", regex, replacement].map(|name| format!("transforms.{alias}.{name}")));
    }
    if !refused.is_empty() {
        return Outcome::Refused(refused.join("; "));
    }
    let mut line = Setting::new(ROUTES, routes);
    line.from = from;
    Outcome::line(line)
}
