//! Selection of messages by their prefix.

use crate::pattern::PrefixPattern;

/// Patterns of the prefixes to send.
#[derive(Debug)]
pub(super) struct Choice {
    included: Vec<PrefixPattern>,
    excluded: Vec<PrefixPattern>,
}

impl Choice {
    pub(super) fn new(included: &[PrefixPattern], excluded: &[PrefixPattern]) -> Self {
        Self {
            included: included.to_vec(),
            excluded: excluded.to_vec(),
        }
    }

    pub(super) fn contains(&self, prefix: &str) -> bool {
        let any = |patterns: &[PrefixPattern]| patterns.iter().any(|pattern| pattern.matches(prefix));
        any(&self.included) && !any(&self.excluded)
    }
}

#[cfg(test)]
mod tests {
    use super::Choice;
    use crate::pattern::PrefixPattern;

    #[test]
    fn excluded_prefixes_are_not_sent() {
        let own = |patterns: &[&str]| -> Vec<PrefixPattern> {
            let patterns = patterns.iter().map(|text| (*text).to_owned().try_into());
            patterns.collect::<Result<_, _>>().unwrap()
        };
        let choice = Choice::new(&own(&["app.*", "/AUDIT/"]), &own(&["app.debug*"]));
        let chosen = ["app.x", "audit", "app.debug", "other"].map(|prefix| choice.contains(prefix));
        assert_eq!(chosen, [true, true, false, false]);
        assert!(!Choice::new(&[], &[]).contains("any"));
    }
}
