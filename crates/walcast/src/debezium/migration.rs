//! Applies the rules to what is given.

use serde::Serialize;

use super::draft::{Draft, Setting, reference};
use super::given::Given;
use super::rule::{Outcome, Rule, Translate, Value, Verdict};
use super::rules::{SECTIONS, WORKER};
use crate::config::{Keys, tables};

/// A migrated configuration.
#[derive(Debug)]
pub(crate) struct Migration {
    /// The TOML file.
    pub(crate) toml: String,
    /// What became of each property, in the order of the files.
    pub(crate) findings: Vec<Finding>,
}

/// What became of a property.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) property: String,
    /// `connector`, `worker`, or `default` where nothing was given.
    pub(crate) of: Origin,
    pub(crate) became: Became,
    /// The keys of ours.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) keys: Vec<String>,
    /// Why nothing, or what is left to be done by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// Where a property was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Origin {
    Connector,
    Worker,
    Default,
}

/// What a property became.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Became {
    /// A key of ours, or part of one.
    Mapped,
    /// A key of ours that somebody has to look at.
    ByHand,
    /// Nothing, because nothing is needed.
    NotNeeded,
    /// Nothing yet.
    NotYet,
    /// Nothing: this very value has no exact counterpart.
    Refused,
    /// Nothing: no Debezium connector for Postgres is known to have it.
    Unknown,
}

impl Became {
    /// Whether the migrated connector does without something that the old one had.
    pub(crate) fn is_missing(self) -> bool {
        matches!(self, Became::NotYet | Became::Refused | Became::Unknown)
    }
}

impl Migration {
    /// Whether something has no counterpart.
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
        // What the connector says itself wins.
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
    migrating.look_back();
    let known = tables();
    let order: Vec<&str> = known.iter().map(|table| table.path).collect();
    let body = migrating.draft.to_toml(&order);
    let toml = format!("{}{body}{}", head(given), tail(&migrating.findings));
    Migration {
        toml,
        findings: migrating.findings,
    }
}

/// The rule for a property: one that names it in full, or the first whose pattern does. What Debezium calls internal has a
/// prefix that it had not in other versions.
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
                Some("no property of Debezium's Postgres connector 3.3".to_owned()),
            ),
            Some((rule, inner)) => self.apply(property, text, rule, inner),
        };
        let known = |finding: &&mut Finding| finding.property == property;
        match (of, self.findings.iter_mut().find(known)) {
            // What the worker says of it was waited for; now it is known what became of it.
            (Origin::Default, Some(finding)) if became > Became::Mapped => {
                (finding.became, finding.keys, finding.reason) = (became, keys, reason);
            }
            (Origin::Default, Some(_)) => {}
            // A default that needs nothing is not worth a word.
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

    /// A property that is written with another's line is lost with it.
    fn look_back(&mut self) {
        for finding in &mut self.findings {
            let lost = finding
                .keys
                .iter()
                .find(|key| exists(key) && !self.draft.has(key));
            if finding.became == Became::Mapped
                && let Some(key) = lost
            {
                finding.reason = Some(format!("{key} could not be written, see the others"));
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
                Some("it is what happens by default, here too".to_owned()),
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
                Some(format!("there is no {missing} yet")),
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
                    Some(format!("another property has set {key} to another value")),
                );
            }
        }
        match by_hand.is_empty() {
            true => (Became::Mapped, keys, None),
            false => (Became::ByHand, keys, Some(by_hand.join("; "))),
        }
    }
}

/// Debezium has the salt of a hash in the property's name.
fn without_salt(property: &str) -> String {
    const SALT: &str = ".with.salt.";
    match property.split_once(SALT) {
        Some((before, _)) => format!("{before}{SALT}…"),
        None => property.to_owned(),
    }
}

fn outcome(key: &str, translate: Translate, value: &Value<'_>) -> Outcome {
    let refused = |wanted: &str| Outcome::Refused(format!("{} is no {wanted}", value.text));
    match translate {
        Translate::By(_) | Translate::Text | Translate::WithAnother => {}
        Translate::Flag | Translate::Number | Translate::Words(_) if reference(value.text).is_some() => {
            return Outcome::Refused(format!(
                "{} comes from a config provider of Connect: write the value",
                value.text
            ));
        }
        Translate::Flag | Translate::Number | Translate::Words(_) => {}
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
            Err(_) => refused("whole number"),
        },
        Translate::Words(words) => {
            let theirs = value.text.to_ascii_lowercase();
            match words.iter().find(|(word, _)| *word == theirs) {
                Some((_, ours)) => Outcome::line(Setting::new(key, *ours)),
                None => refused("value that has a counterpart"),
            }
        }
    }
}

/// Whether our configuration has a key, asked of the configuration itself.
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
        "# Made by walcast migrate debezium from the connector {name:?}: each line names the property it came from.\n\
         # No secret is in this file. The password of Postgres comes from PGPASSWORD, password_file or ~/.pgpass.\n\n"
    )
}

/// What has no counterpart, beneath what has.
fn tail(findings: &[Finding]) -> String {
    let missing: Vec<&Finding> = findings
        .iter()
        .filter(|finding| finding.became.is_missing())
        .collect();
    if missing.is_empty() {
        return String::new();
    }
    let mut text = "\n# Without counterpart:\n".to_owned();
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
