//! Routers: transforms that select the topic by a regular expression.

use walcast_mapper::config::Route;

use super::transform::Transform;
use crate::debezium::draft::Setting;

pub(super) const ROUTES: &str = "names.routes";

pub(super) struct Router {
    class: &'static str,
    regex: &'static str,
    replacement: &'static str,
    /// Default name of the key field that distinguishes rows of different tables, if the transform adds such a field.
    key_field: Option<&'static str>,
}

const ROUTERS: [Router; 3] = [
    Router {
        class: REGEX_ROUTER,
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

/// Kafka's router, which changes nothing but the topic.
const REGEX_ROUTER: &str = "org.apache.kafka.connect.transforms.RegexRouter";

pub(super) fn router(class: &str) -> Option<&'static Router> {
    ROUTERS.iter().find(|known| known.class == class)
}

/// Routes in the order of the chain.
#[derive(Default)]
pub(super) struct Routes {
    known: Vec<(String, Route)>,
    entries: Vec<toml::Value>,
    from: Vec<String>,
    keeps_schema_names: bool,
}

impl Routes {
    /// Adds a router. In Connect a router applies to the topics as the transforms before it left them, and in walcast only the
    /// first matching route applies: both are equal if no earlier router produces a topic that this one matches.
    ///
    /// # Errors
    /// The router cannot be written as a route, for the reason in the text.
    pub(super) fn add(
        &mut self,
        transform: &Transform<'_, '_>,
        router: &Router,
        changes_topics: Option<&str>,
    ) -> Result<(), String> {
        if let Some(before) = changes_topics {
            return Err(format!("it follows {before}, which can change topics"));
        }
        let mut names = vec!["type", router.regex, router.replacement];
        let mut entry = toml::Table::new();
        let mut set = |key: &str, text: &str| entry.insert(key.to_owned(), text.into());
        set("pattern", transform.part(router.regex));
        set("topic", transform.part(router.replacement));
        let is_unique = router.key_field.is_some() && transform.part("key.enforce.uniqueness") != "false";
        if let Some(default) = router.key_field.filter(|_| is_unique) {
            let given = transform.part("key.field.name");
            set("key_field", if given.is_empty() { default } else { given });
            if !transform.part("key.field.regex").is_empty() {
                set("key_pattern", transform.part("key.field.regex"));
                set("key_value", transform.part("key.field.replacement"));
                names.extend(["key.field.regex", "key.field.replacement"]);
            }
        }
        entry.insert("unique_keys".to_owned(), is_unique.into());
        let route: Route = entry
            .clone()
            .try_into()
            .map_err(|error: toml::de::Error| error.message().to_owned())?;
        for (before, earlier) in &self.known {
            if earlier.constant_topic().is_none_or(|topic| route.matches(&topic)) {
                return Err(format!(
                    "it also applies to topics that {before} has renamed, and only the first matching route applies here"
                ));
            }
        }
        self.known.push((transform.alias.to_owned(), route));
        self.entries.push(toml::Value::Table(
            entry
                .into_iter()
                .map(|(key, value)| (key, escaped(value)))
                .collect(),
        ));
        self.from
            .extend(names.iter().map(|name| transform.property(name)));
        self.keeps_schema_names |= router.class == REGEX_ROUTER;
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The line of the routes, if there are any.
    pub(super) fn into_setting(self, property: &str) -> Option<Setting> {
        if self.entries.is_empty() {
            return None;
        }
        let mut line = Setting::new(ROUTES, self.entries);
        line.from = [vec![property.to_owned()], self.from].concat();
        Some(if self.keeps_schema_names {
            line.by_hand(
                "RegexRouter leaves the names of schemas as they are; walcast names schemas after the target topic, which a \
                 subject with schemas of Debezium accepts if its compatibility is NONE"
                    .to_owned(),
            )
        } else {
            line
        })
    }
}

/// `${` would begin an environment variable in the file, but begins a group here.
pub(super) fn escaped(value: toml::Value) -> toml::Value {
    match value {
        toml::Value::String(text) => text.replace("${", "$${").into(),
        other => other,
    }
}
