//! Encodings of keys and values, and the schema registry.

use crate::debezium::draft::Setting;
use crate::debezium::given::Given;
use crate::debezium::rule::{Outcome, Value};

const AVRO: [&str; 2] = [
    "io.confluent.connect.avro.AvroConverter",
    "io.apicurio.registry.utils.converter.AvroConverter",
];
const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";
const NATIVE_API: [&str; 2] = ["/apis/registry/v2", "/apis/registry/v3"];
const REGISTRY: &str = "registry.url";

/// Translates the converters of keys and values together, because they share a registry.
pub(super) fn converters(value: &Value<'_>) -> Outcome {
    let given = value.given;
    let classes = ["key", "value"].map(|part| (part, given.either(&format!("{part}.converter"))));
    if classes.iter().all(|(_, class)| class.is_none()) && given.worker.is_none() {
        return Outcome::line(Setting::new(REGISTRY, "${REGISTRY_URL}").by_hand(
            "neither the connector nor a worker's file (--worker) names the converters: if they are Avro converters, set the environment \
             variable REGISTRY_URL or write the address here"
                .to_owned(),
        ));
    }
    let mut lines = Vec::new();
    let mut is_avro = false;
    for (part, class) in classes {
        match class {
            Some(class) if AVRO.contains(&class) => is_avro = true,
            Some(JSON) => lines.push(json(given, part)),
            other => {
                let other = other.unwrap_or("the unspecified converter");
                return Outcome::Refused(format!(
                    "{part}s: {other} is neither Connect's JSON converter nor an Avro converter with a registry"
                ));
            }
        }
    }
    match if is_avro { registry(given) } else { Ok(Vec::new()) } {
        Ok(of_registry) => {
            lines.extend(of_registry);
            Outcome::Lines(lines)
        }
        Err(problem) => Outcome::Refused(problem),
    }
}

/// Translates the address of the registry, if a converter uses it.
pub(super) fn address(value: &Value<'_>) -> Outcome {
    let is_json = |part: &str| value.given.either(&format!("{part}.converter")) == Some(JSON);
    if is_json("key") && is_json("value") {
        return Outcome::Nothing("JSON needs no registry");
    }
    converters(value)
}

/// Translates the switch for the registration of schemas. walcast has one for keys and values.
pub(super) fn auto_register(value: &Value<'_>) -> Outcome {
    let given = value.given;
    let registers = |part: &str| {
        let class = given.either(&format!("{part}.converter"))?;
        let switch = format!("{part}.converter.auto.register.schemas");
        AVRO.contains(&class)
            .then(|| given.either(&switch).map(str::trim) != Some("false"))
    };
    match (registers("key"), registers("value")) {
        (Some(keys), Some(values)) if keys != values => Outcome::Refused(
            "walcast registers the schemas of both keys and values, or neither; decide on [registry] auto_register".to_owned(),
        ),
        (Some(registers), _) | (None, Some(registers)) => {
            Outcome::line(Setting::new("registry.auto_register", registers))
        }
        (None, None) => Outcome::Nothing("no converter uses a registry"),
    }
}

/// Translates the switch for schemas in JSON records.
pub(super) fn schemas(value: &Value<'_>) -> Outcome {
    let class = value.property.trim_end_matches(".schemas.enable");
    match value.given.either(class) {
        Some(JSON) => converters(value),
        _ => Outcome::Nothing("only the JSON converter has this property"),
    }
}

/// Translates the JSON converter, which writes schemas by default.
fn json(given: &Given, part: &str) -> Setting {
    let (class, schemas) = (
        format!("{part}.converter"),
        format!("{part}.converter.schemas.enable"),
    );
    let encoding = if given.either(&schemas) == Some("false") {
        "json"
    } else {
        "json_schema"
    };
    Setting::new(&format!("format.{part}"), encoding).from(&[&class, &schemas])
}

fn registry(given: &Given) -> Result<Vec<Setting>, String> {
    let address = |part: &str| {
        let native = given.either(&format!("{part}.converter.apicurio.registry.url"));
        let native = native.map(|url| {
            NATIVE_API
                .iter()
                .fold(url.to_owned(), |url, api| url.replace(api, "/apis/ccompat/v7"))
        });
        given
            .either(&format!("{part}.converter.schema.registry.url"))
            .map(str::to_owned)
            .or(native)
    };
    let url = match (address("key"), address("value")) {
        (Some(of_keys), Some(of_values)) if of_keys != of_values => {
            return Err("walcast uses one registry for keys and values, but two are configured".to_owned());
        }
        (Some(url), _) | (None, Some(url)) => url,
        (None, None) => return Err("the converters have no registry URL".to_owned()),
    };
    let is_given = |property: &&str| given.either(property).is_some();
    let from = [
        "value.converter.schema.registry.url",
        "value.converter.apicurio.registry.url",
        "key.converter.schema.registry.url",
        "key.converter.apicurio.registry.url",
    ];
    let from: Vec<&str> = from.into_iter().filter(is_given).collect();
    let mut lines = vec![Setting::text(REGISTRY, "value.converter.schema.registry.url", &url).from(&from)];
    let user_info = "value.converter.basic.auth.user.info";
    if let Some(pair) = given.either(user_info) {
        let user = pair.split(':').next().unwrap_or_default();
        lines.push(Setting::text("registry.username", user_info, user).from(&[user_info]));
        lines.push(
            Setting::new("registry.password", "${REGISTRY_PASSWORD}")
                .from(&[user_info])
                .by_hand(
                    "the registry's password is never copied: set the environment variable REGISTRY_PASSWORD"
                        .to_owned(),
                ),
        );
    }
    let token = "value.converter.bearer.auth.token";
    if given.either(token).is_some() {
        lines.push(
            Setting::new("registry.bearer_token", "${REGISTRY_TOKEN}")
                .from(&[token])
                .by_hand(
                    "the registry's token is never copied: set the environment variable REGISTRY_TOKEN"
                        .to_owned(),
                ),
        );
    }
    Ok(lines)
}
