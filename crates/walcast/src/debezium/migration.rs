//! Applies the rules to the configuration of a connector.

use serde::Serialize;

use super::draft::{Draft, Setting, reference};
use super::given::Given;
use super::rule::{Outcome, Rule, Translate, Value, Verdict};
use super::rules::{SECTIONS, WORKER};
use crate::config::{ConfigDuration, Keys, tables};

/// Migrated configuration.
#[derive(Debug)]
pub(crate) struct Migration {
    /// The TOML file.
    pub(crate) toml: String,
    /// Result for each property, in the order of the files.
    pub(crate) findings: Vec<Finding>,
}

/// Result of the migration of one property.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) property: String,
    /// `connector`, `worker`, or `default` for a property that is not set.
    pub(crate) of: Origin,
    pub(crate) became: Became,
    /// Keys of walcast.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) keys: Vec<String>,
    /// Reason for the missing counterpart, or the remaining manual step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// Source of a property's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Origin {
    Connector,
    Worker,
    Default,
}

/// Kind of result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Became {
    /// Translated to a key, or to a part of one.
    Mapped,
    /// Translated, with a remaining manual step.
    ByHand,
    /// No counterpart is needed.
    NotNeeded,
    /// Not supported yet.
    NotYet,
    /// This value has no exact counterpart.
    Refused,
    /// Not a property of Debezium's Postgres connector.
    Unknown,
}

impl Became {
    /// Whether the migrated configuration lacks a setting of the connector.
    pub(crate) fn is_missing(self) -> bool {
        matches!(self, Became::NotYet | Became::Refused | Became::Unknown)
    }
}

impl Migration {
    /// Whether a property has no counterpart.
    pub(crate) fn is_incomplete(&self) -> bool {
        self.findings.iter().any(|finding| finding.became.is_missing())
    }
}

/// Translates a configuration.
pub(crate) fn migrate(given: &Given) -> Migration {
    let mut migrating = Migrating {
        given,
        draft: Draft::default(),
        findings: Vec::new(),
    };
    for (property, text) in &given.connector {
        let rule = SECTIONS.iter().flat_map(|section| section.rules);
        migrating.property(Origin::Connector, property, text, pick(rule, property));
    }
    for (property, text) in given.worker.iter().flatten() {
        // A property of the connector overrides that of the worker.
        if given.connector(property).is_none() {
            migrating.property(Origin::Worker, property, text, pick(WORKER.rules, property));
        }
    }
    for rule in SECTIONS
        .iter()
        .flat_map(|section| section.rules)
        .filter(|rule| rule.always)
    {
        if given.connector(rule.property).is_none()
            && let Some(default) = rule.default
        {
            migrating.property(Origin::Default, rule.property, default, Some((rule, "")));
        }
    }
    migrating.report_lost_keys();
    let known = tables();
    let order: Vec<&str> = known.iter().map(|table| table.path).collect();
    let body = migrating.draft.to_toml(&order);
    let toml = format!("{}{body}{}", head(given), tail(&migrating.findings));
    Migration {
        toml,
        findings: migrating.findings,
    }
}

/// Finds the rule for a property: the rule with its full name, or the first rule whose pattern matches. The prefix of internal
/// properties is ignored, because other versions of Debezium lack it.
pub(super) fn pick<'r, 'p>(
    rules: impl IntoIterator<Item = &'r Rule>,
    property: &'p str,
) -> Option<(&'r Rule, &'p str)> {
    let property = property.strip_prefix("internal.").unwrap_or(property);
    let mut by_pattern = None;
    for rule in rules {
        let Some(inner) = rule.inner(property) else {
            continue;
        };
        if rule.property == property {
            return Some((rule, inner));
        }
        by_pattern = by_pattern.or(Some((rule, inner)));
    }
    by_pattern
}

struct Migrating<'g> {
    given: &'g Given,
    draft: Draft,
    findings: Vec<Finding>,
}

impl Migrating<'_> {
    fn property(&mut self, of: Origin, property: &str, text: &str, rule: Option<(&Rule, &str)>) {
        let (became, keys, reason) = match rule {
            None => (
                Became::Unknown,
                Vec::new(),
                Some("not a property of Debezium's Postgres connector 3.3".to_owned()),
            ),
            Some((rule, inner)) => self.apply(property, text, rule, inner),
        };
        let known = |finding: &&mut Finding| finding.property == property;
        match (of, self.findings.iter_mut().find(known)) {
            // The property was reported as mapped to a line that depends on this default.
            (Origin::Default, Some(finding)) if became > Became::Mapped => {
                (finding.became, finding.keys, finding.reason) = (became, keys, reason);
            }
            (Origin::Default, Some(_)) => {}
            // A default without a counterpart to write is not reported.
            (Origin::Default, None) if became == Became::NotNeeded => {}
            _ => self.findings.push(Finding {
                property: without_salt(property),
                of,
                became,
                keys,
                reason,
            }),
        }
    }

    /// Reports properties that are part of another property's line which could not be written.
    fn report_lost_keys(&mut self) {
        for finding in &mut self.findings {
            let lost = finding
                .keys
                .iter()
                .find(|key| exists(key) && !self.draft.has(key));
            if finding.became == Became::Mapped
                && let Some(key) = lost
            {
                finding.reason = Some(format!(
                    "{key} could not be written; see the other properties of this key"
                ));
                finding.became = Became::Refused;
                finding.keys.clear();
            }
        }
    }

    fn apply(
        &mut self,
        property: &str,
        text: &str,
        rule: &Rule,
        inner: &str,
    ) -> (Became, Vec<String>, Option<String>) {
        let is_default = rule.default.is_some_and(|default| default == text.trim());
        if is_default && !rule.always && !matches!(rule.verdict, Verdict::Becomes(_, Translate::WithAnother))
        {
            return (
                Became::NotNeeded,
                Vec::new(),
                Some("the default of walcast is the same".to_owned()),
            );
        }
        let value = Value {
            property,
            inner,
            text: text.trim(),
            given: self.given,
        };
        let (key, translate) = match rule.verdict {
            Verdict::Depends(on, _) => {
                return match on(&value) {
                    Outcome::Nothing(why) => (Became::NotNeeded, Vec::new(), Some(why.to_owned())),
                    Outcome::Refused(why) => (Became::Refused, Vec::new(), Some(why)),
                    Outcome::Lines(lines) => self.write(property, lines, ""),
                };
            }
            Verdict::NotNeeded(why) => return (Became::NotNeeded, Vec::new(), Some(why.to_owned())),
            Verdict::NotYet(why) => return (Became::NotYet, Vec::new(), Some(why.to_owned())),
            Verdict::Secret(instead) => return (Became::ByHand, Vec::new(), Some(instead.to_owned())),
            Verdict::Becomes(key, translate) => (key, translate),
        };
        match outcome(key, translate, &value) {
            Outcome::Nothing(why) => (Became::NotNeeded, Vec::new(), Some(why.to_owned())),
            Outcome::Refused(why) => (Became::Refused, Vec::new(), Some(why)),
            Outcome::Lines(lines) => self.write(property, lines, key),
        }
    }

    fn write(
        &mut self,
        property: &str,
        lines: Vec<Setting>,
        key: &str,
    ) -> (Became, Vec<String>, Option<String>) {
        if let Some(missing) = lines
            .iter()
            .map(|line| line.key.as_str())
            .chain([key])
            .find(|key| !key.is_empty() && !exists(key))
        {
            return (
                Became::NotYet,
                Vec::new(),
                Some(format!("{missing} does not exist yet")),
            );
        }
        let by_hand: Vec<String> = lines.iter().filter_map(|line| line.by_hand.clone()).collect();
        let keys = if lines.is_empty() && !key.is_empty() {
            vec![key.to_owned()]
        } else {
            lines.iter().map(|line| line.key.clone()).collect()
        };
        for mut line in lines {
            if line.from.is_empty() {
                line.from.push(without_salt(property));
            }
            for name in &mut line.from {
                if self.given.either(name).is_none() && !name.contains('…') {
                    name.push_str(" (default)");
                }
            }
            let key = line.key.clone();
            if !self.draft.add(line) {
                return (
                    Became::Refused,
                    Vec::new(),
                    Some(format!("another property has set {key} to a different value")),
                );
            }
        }
        match by_hand.is_empty() {
            true => (Became::Mapped, keys, None),
            false => (Became::ByHand, keys, Some(by_hand.join("; "))),
        }
    }
}

/// Removes the salt of a hash, which Debezium contains in the property's name.
fn without_salt(property: &str) -> String {
    const SALT: &str = ".with.salt.";
    match property.split_once(SALT) {
        Some((before, _)) => format!("{before}{SALT}…"),
        None => property.to_owned(),
    }
}

fn outcome(key: &str, translate: Translate, value: &Value<'_>) -> Outcome {
    let refused = |expected: &str| Outcome::Refused(format!("{} is not {expected}", value.text));
    match translate {
        Translate::By(_) | Translate::Text | Translate::WithAnother => {}
        Translate::Flag | Translate::Number | Translate::Millis | Translate::Words(_)
            if reference(value.text).is_some() =>
        {
            return Outcome::Refused(format!(
                "{} comes from a config provider of Connect: write the value itself",
                value.text
            ));
        }
        Translate::Flag | Translate::Number | Translate::Millis | Translate::Words(_) => {}
    }
    match translate {
        Translate::By(by) => by(value),
        Translate::WithAnother => Outcome::Lines(Vec::new()),
        Translate::Text => Outcome::line(Setting::text(key, value.property, value.text)),
        Translate::Flag => match value.text.to_ascii_lowercase().parse::<bool>() {
            Ok(flag) => Outcome::line(Setting::new(key, flag)),
            Err(_) => refused("true or false"),
        },
        Translate::Number => match value.text.parse::<i64>() {
            Ok(number) => Outcome::line(Setting::new(key, number)),
            Err(_) => refused("a whole number"),
        },
        Translate::Millis => match value.text.parse::<u64>() {
            Ok(millis) => {
                let duration = ConfigDuration::from_millis(millis);
                Outcome::line(Setting::new(key, duration.to_string()))
            }
            Err(_) => refused("a number of milliseconds"),
        },
        Translate::Words(words) => {
            let theirs = value.text.to_ascii_lowercase();
            match words.iter().find(|(word, _)| *word == theirs) {
                Some((_, ours)) => Outcome::line(Setting::new(key, *ours)),
                None => refused("a value with a counterpart"),
            }
        }
    }
}

/// Whether the configuration of walcast has a key.
pub(super) fn exists(key: &str) -> bool {
    tables().iter().any(|table| {
        let inside = match table.path {
            "" => Some(key),
            path => key.strip_prefix(path).and_then(|rest| rest.strip_prefix('.')),
        };
        match (inside, table.keys) {
            (Some(_), Keys::Any) => true,
            (Some(inside), Keys::Known(keys)) => keys.contains(&inside),
            (None, _) => table.path == key,
        }
    })
}

fn head(given: &Given) -> String {
    let name = given
        .connector("name")
        .unwrap_or("without a name")
        .replace(['\n', '\r'], " ");
    format!(
        "# Generated by walcast migrate debezium-config from the connector {name:?}: each line names its source property.\n\
         # This file contains no secrets. The password of Postgres comes from PGPASSWORD, password_file or ~/.pgpass.\n\n"
    )
}

/// Comment at the end of the file that lists the properties without a counterpart.
fn tail(findings: &[Finding]) -> String {
    let missing: Vec<&Finding> = findings
        .iter()
        .filter(|finding| finding.became.is_missing())
        .collect();
    if missing.is_empty() {
        return String::new();
    }
    let mut text = "\n# Without a counterpart:\n".to_owned();
    for finding in missing {
        let reason = finding
            .reason
            .as_deref()
            .unwrap_or_default()
            .replace(['\n', '\r'], " ");
        text.push_str(&format!(
            "#   {}: {reason}\n",
            finding.property.replace(['\n', '\r'], " ")
        ));
    }
    text
}
