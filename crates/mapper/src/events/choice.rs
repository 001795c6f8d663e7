//! Which messages are sent, by their prefix.

/// The chosen prefixes.
#[derive(Debug)]
pub(super) struct Choice {
    included: Vec<String>,
    excluded: Vec<String>,
}

impl Choice {
    pub(super) fn new(included: &[String], excluded: &[String]) -> Self {
        Self {
            included: included.to_vec(),
            excluded: excluded.to_vec(),
        }
    }

    pub(super) fn contains(&self, prefix: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, prefix));
        any(&self.included) && !any(&self.excluded)
    }
}

/// `*` stands for any characters, or none.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        // No star at all.
        return rest.is_empty();
    };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else {
            return false;
        };
        rest = after;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::{Choice, matches};

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "any", true),
            ("", "", true),
            ("", "any", false),
            ("audit", "audit", true),
            ("audit", "audits", false),
            ("audit*", "audits", true),
            ("*.done", "order.done", true),
            ("*.done", "order.done.not", false),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_excluded_is_not_chosen() {
        let own = |patterns: &[&str]| patterns.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let choice = Choice::new(&own(&["app.*", "audit"]), &own(&["app.debug*"]));
        let chosen = ["app.x", "audit", "app.debug", "other"].map(|prefix| choice.contains(prefix));
        assert_eq!(chosen, [true, true, false, false]);
        assert!(!Choice::new(&[], &[]).contains("any"));
    }
}
