//! One row of the table that takes Debezium's properties to ours.

use super::draft::Setting;
use super::given::Given;

/// What becomes of one property. `*` in its name stands for any characters.
#[derive(Clone, Copy)]
pub(crate) struct Rule {
    pub(crate) property: &'static str,
    /// What Debezium does without it; a property that only says so needs no counterpart.
    pub(crate) default: Option<&'static str>,
    /// Whether its default has to be written down, because ours is another.
    pub(crate) always: bool,
    pub(crate) verdict: Verdict,
}

/// What a property becomes.
#[derive(Clone, Copy)]
pub(crate) enum Verdict {
    /// A key of ours, `table.key`.
    Becomes(&'static str, Translate),
    /// Nothing, for this reason.
    NotNeeded(&'static str),
    /// Nothing yet, for this reason.
    NotYet(&'static str),
    /// Nothing, where the value asks for what happens anyway; any other has no counterpart. This says which.
    Depends(
        fn(&Value<'_>) -> Outcome,
        #[cfg_attr(
            not(test),
            expect(dead_code, reason = "the manual shows it, which a test compares")
        )]
        &'static str,
    ),
    /// It is never copied; this says where it comes from instead.
    Secret(&'static str),
}

/// How a value becomes ours.
#[derive(Clone, Copy)]
pub(crate) enum Translate {
    /// As it is.
    Text,
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Number,
    /// One of some words, theirs and ours.
    Words(&'static [(&'static str, &'static str)]),
    /// It is written with another property's line.
    WithAnother,
    /// In its own way.
    By(fn(&Value<'_>) -> Outcome),
}

/// A value to be translated.
pub(crate) struct Value<'g> {
    pub(crate) property: &'g str,
    /// What `*` in the rule's name stands for.
    pub(crate) inner: &'g str,
    pub(crate) text: &'g str,
    /// Everything else that is given.
    pub(crate) given: &'g Given,
}

/// What a value became.
pub(crate) enum Outcome {
    /// Lines of the configuration.
    Lines(Vec<Setting>),
    /// Nothing has to be written.
    Nothing(&'static str),
    /// There is no exact counterpart.
    Refused(String),
}

impl Outcome {
    pub(crate) fn line(setting: Setting) -> Self {
        Outcome::Lines(vec![setting])
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
        verdict,
    }
}

impl Rule {
    /// What Debezium does without the property.
    pub(crate) const fn default(mut self, value: &'static str) -> Self {
        self.default = Some(value);
        self
    }

    /// The default is written down too: ours is another.
    pub(crate) const fn always(mut self) -> Self {
        self.always = true;
        self
    }

    /// What the (first) `*` stands for when the rule is about `property`; `None` when it is not.
    pub(crate) fn inner<'p>(&self, property: &'p str) -> Option<&'p str> {
        let mut parts = self.property.split('*');
        let before = parts.next()?;
        let rest = property.strip_prefix(before)?;
        match (parts.next(), parts.next()) {
            (None, _) => rest.is_empty().then_some(""),
            (Some(after), None) => rest.strip_suffix(after),
            // An alias between two dots, and anything at the end.
            (Some(middle), Some(_)) => rest.split_once(middle).map(|(inner, _)| inner),
        }
    }
}
