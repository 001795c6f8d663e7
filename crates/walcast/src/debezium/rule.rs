//! One row of the table that translates Debezium's properties.

use super::draft::Setting;
use super::given::Given;

/// Translation of one property. `*` in its name matches any characters.
#[derive(Clone, Copy)]
pub(crate) struct Rule {
    pub(crate) property: &'static str,
    /// Debezium's default; a property that is set to it needs no counterpart.
    pub(crate) default: Option<&'static str>,
    /// Whether the default is written to the configuration, because walcast's default differs.
    pub(crate) always: bool,
    /// Whether the property withholds data: it selects, hides or changes what is sent. A file in which a part of it is missing
    /// must not be used before an operator has replaced that part.
    pub(crate) withholds: bool,
    pub(crate) verdict: Verdict,
}

/// Kind of translation.
#[derive(Clone, Copy)]
pub(crate) enum Verdict {
    /// Translated to the key `table.key`.
    Becomes(&'static str, Translate),
    /// No counterpart is needed, for this reason.
    NotNeeded(&'static str),
    /// Not supported yet, for this reason.
    NotYet(&'static str),
    /// No counterpart is needed for values that select the fixed behavior of walcast; other values have none. The text names the
    /// supported values.
    Depends(
        fn(&Value<'_>) -> Outcome,
        #[cfg_attr(
            not(test),
            expect(dead_code, reason = "the manual shows it, which a test compares")
        )]
        &'static str,
    ),
    /// A secret, which is never copied; the text names its source.
    Secret(&'static str),
}

/// Translation of a value.
#[derive(Clone, Copy)]
pub(crate) enum Translate {
    /// Unchanged.
    Text,
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Number,
    /// A whole number of milliseconds, which becomes a duration with its unit.
    Millis,
    /// One of several words: Debezium's and walcast's.
    Words(&'static [(&'static str, &'static str)]),
    /// Part of another property's line.
    WithAnother,
    /// By a function.
    By(fn(&Value<'_>) -> Outcome),
}

/// Value to translate.
pub(crate) struct Value<'g> {
    pub(crate) property: &'g str,
    /// Text that `*` in the rule's name matches.
    pub(crate) inner: &'g str,
    pub(crate) text: &'g str,
    /// Complete configuration of the connector.
    pub(crate) given: &'g Given,
}

/// Result of the translation of a value.
pub(crate) enum Outcome {
    /// Lines of the configuration.
    Lines(Vec<Setting>),
    /// Lines for a part of the value; the rest has no exact counterpart, for this reason.
    Partly(Vec<Setting>, String),
    /// No line is needed, for this reason.
    Nothing(&'static str),
    /// The value has no exact counterpart, for this reason.
    Refused(String),
}

impl Outcome {
    pub(crate) fn line(setting: Setting) -> Self {
        Outcome::Lines(vec![setting])
    }

    /// Lines of what could be translated, and the problems of the rest.
    pub(crate) fn of(lines: Vec<Setting>, problems: &[String]) -> Self {
        match (lines.is_empty(), problems.is_empty()) {
            (_, true) => Outcome::Lines(lines),
            (true, false) => Outcome::Refused(problems.join("; ")),
            (false, false) => Outcome::Partly(lines, problems.join("; ")),
        }
    }
}

pub(crate) const fn becomes(property: &'static str, key: &'static str, translate: Translate) -> Rule {
    rule(property, Verdict::Becomes(key, translate))
}

pub(crate) const fn not_needed(property: &'static str, why: &'static str) -> Rule {
    rule(property, Verdict::NotNeeded(why))
}

pub(crate) const fn not_yet(property: &'static str, why: &'static str) -> Rule {
    rule(property, Verdict::NotYet(why))
}

pub(crate) const fn depends(
    property: &'static str,
    on: fn(&Value<'_>) -> Outcome,
    which: &'static str,
) -> Rule {
    rule(property, Verdict::Depends(on, which))
}

pub(crate) const fn secret(property: &'static str, instead: &'static str) -> Rule {
    rule(property, Verdict::Secret(instead))
}

const fn rule(property: &'static str, verdict: Verdict) -> Rule {
    Rule {
        property,
        default: None,
        always: false,
        withholds: false,
        verdict,
    }
}

impl Rule {
    /// Sets Debezium's default.
    pub(crate) const fn default(mut self, value: &'static str) -> Self {
        self.default = Some(value);
        self
    }

    /// Writes the default to the configuration too, because walcast's default differs.
    pub(crate) const fn always(mut self) -> Self {
        self.always = true;
        self
    }

    /// Marks a property that withholds data.
    pub(crate) const fn withholds(mut self) -> Self {
        self.withholds = true;
        self
    }

    /// Text that the first `*` matches in `property`; `None` when the rule does not apply to `property`.
    pub(crate) fn inner<'p>(&self, property: &'p str) -> Option<&'p str> {
        let mut parts = self.property.split('*');
        let before = parts.next()?;
        let rest = property.strip_prefix(before)?;
        match (parts.next(), parts.next()) {
            (None, _) => rest.is_empty().then_some(""),
            (Some(after), None) => rest.strip_suffix(after),
            // An alias between two dots, and any suffix.
            (Some(middle), Some(_)) => rest.split_once(middle).map(|(inner, _)| inner),
        }
    }
}
