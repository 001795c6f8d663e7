//! Applies the rules to the configuration of a connector.

use super::draft::{Draft, Setting, reference};
use super::file;
use super::finding::{Became, Finding, Origin};
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
    for setting in file::way_back() {
        migrating.draft.add(setting);
    }
    Migration {
        toml: file::text(given, &migrating.draft, &migrating.findings),
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
                Some("not a property of Debezium's Postgres connector 3.3 or 3.6".to_owned()),
            ),
            Some((rule, inner)) => self.apply(property, text, rule, inner),
        };
        let withholds = rule.map_or_else(|| may_withhold(property), |(rule, _)| rule.withholds);
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
                withholds,
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
                // The property that determines the line is unresolved itself.
                finding.withholds = false;
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
        let (key, outcome) = match rule.verdict {
            Verdict::Depends(on, _) => ("", on(&value)),
            Verdict::NotNeeded(why) => return (Became::NotNeeded, Vec::new(), Some(why.to_owned())),
            Verdict::NotYet(why) => return (Became::NotYet, Vec::new(), Some(why.to_owned())),
            Verdict::Secret(instead) => return (Became::ByHand, Vec::new(), Some(instead.to_owned())),
            // As an expression, the reference would hide nothing.
            Verdict::Becomes(key, _) if rule.withholds && reference(value.text).is_some() => {
                (key, not_resolved(value.text))
            }
            Verdict::Becomes(key, translate) => (key, outcome(key, translate, &value)),
        };
        match outcome {
            Outcome::Nothing(why) => (Became::NotNeeded, Vec::new(), Some(why.to_owned())),
            Outcome::Refused(why) => (Became::Refused, Vec::new(), Some(why)),
            Outcome::Lines(lines) => self.write(property, lines, key),
            Outcome::Partly(lines, why) => match self.write(property, lines, key) {
                (Became::Mapped, keys, _) => (Became::Partly, keys, Some(why)),
                (Became::ByHand, keys, Some(step)) => (Became::Partly, keys, Some(format!("{why}; {step}"))),
                other => other,
            },
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

/// Outcome for a reference to a config provider where the value itself is needed.
fn not_resolved(text: &str) -> Outcome {
    Outcome::Refused(format!(
        "{text} comes from a config provider of Connect: write the value itself"
    ))
}

/// Whether a property that the table does not have could withhold data: one of an earlier or a later version of Debezium.
fn may_withhold(property: &str) -> bool {
    const PREFIXES: [&str; 2] = ["column.", "table."];
    const PARTS: [&str; 5] = ["include.", "exclude.", "whitelist", "blacklist", "mask"];
    PREFIXES.iter().any(|prefix| property.starts_with(prefix))
        || PARTS.iter().any(|part| property.contains(part))
}

fn outcome(key: &str, translate: Translate, value: &Value<'_>) -> Outcome {
    let refused = |expected: &str| Outcome::Refused(format!("{} is not {expected}", value.text));
    match translate {
        Translate::By(_) | Translate::Text | Translate::WithAnother => {}
        Translate::Flag | Translate::Number | Translate::Millis | Translate::Words(_)
            if reference(value.text).is_some() =>
        {
            return not_resolved(value.text);
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
