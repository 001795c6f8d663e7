//! Where two trees differ.

use std::collections::HashSet;
use std::fmt;

use serde_json::Value;

/// One place at which the two connectors differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Topic, record number and the way into it, such as `t#2.value.after.price`.
    pub path: String,
    /// What Debezium has there; `None` for nothing.
    pub debezium: Option<Value>,
    /// What walcast has there.
    pub walcast: Option<Value>,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<Value>| value.as_ref().map_or("(nothing)".to_owned(), Value::to_string);
        let Difference {
            path,
            debezium,
            walcast,
        } = self;
        write!(
            formatter,
            "{path}\n        debezium: {}\n        walcast:  {}",
            shown(debezium),
            shown(walcast)
        )
    }
}

/// Adds every place below `path` at which the trees differ. Elements of an array that all have a name (fields of a schema,
/// headers) are identified by it, others by their number.
pub(super) fn collect(path: &str, debezium: &Value, walcast: &Value, found: &mut Vec<Difference>) {
    match (debezium, walcast) {
        (Value::Object(_), Value::Object(_)) => {
            collect_parts(path, &object_parts(debezium), &object_parts(walcast), found);
        }
        (Value::Array(theirs), Value::Array(ours)) => {
            let named = named(theirs) && named(ours);
            let (theirs, ours) = (array_parts(theirs, named), array_parts(ours, named));
            if named && !same_order(&theirs, &ours) {
                let (theirs, ours) = (names(&theirs).into(), names(&ours).into());
                add(format!("{path}.order"), Some(&theirs), Some(&ours), found);
            }
            collect_parts(path, &theirs, &ours, found);
        }
        _ if debezium == walcast => {}
        _ => add(path.to_owned(), Some(debezium), Some(walcast), found),
    }
}

/// What is inside an object or an array, each with its label.
type Parts<'v> = [(String, &'v Value)];

fn collect_parts(path: &str, theirs: &Parts<'_>, ours: &Parts<'_>, found: &mut Vec<Difference>) {
    for (label, part) in theirs {
        let path = format!("{path}.{label}");
        match find(ours, label) {
            None => add(path, Some(part), None, found),
            Some(ours) => collect(&path, part, ours, found),
        }
    }
    for (label, part) in ours.iter().filter(|(label, _)| find(theirs, label).is_none()) {
        add(format!("{path}.{label}"), None, Some(part), found);
    }
}

fn add(path: String, debezium: Option<&Value>, walcast: Option<&Value>, found: &mut Vec<Difference>) {
    found.push(Difference {
        path,
        debezium: debezium.cloned(),
        walcast: walcast.cloned(),
    });
}

fn find<'v>(parts: &Parts<'v>, label: &str) -> Option<&'v Value> {
    let part = parts.iter().find(|(known, _)| known == label);
    part.map(|(_, value)| *value)
}

fn names(parts: &Parts<'_>) -> Vec<String> {
    parts.iter().map(|(name, _)| name.clone()).collect()
}

fn object_parts(value: &Value) -> Vec<(String, &Value)> {
    let fields = value.as_object().into_iter().flatten();
    fields.map(|(name, value)| (name.clone(), value)).collect()
}

fn array_parts(elements: &[Value], by_name: bool) -> Vec<(String, &Value)> {
    let label = |(index, element): (usize, &Value)| match element["name"].as_str() {
        Some(name) if by_name => name.to_owned(),
        _ => index.to_string(),
    };
    let labels = elements.iter().enumerate().map(label);
    labels.zip(elements).collect()
}

fn named(elements: &[Value]) -> bool {
    let names = elements.iter().map(|element| element["name"].as_str());
    let mut seen = HashSet::new();
    names
        .into_iter()
        .all(|name| name.is_some_and(|name| seen.insert(name)))
}

/// Whether what is on both sides comes in the same order on both.
fn same_order(left: &Parts<'_>, right: &Parts<'_>) -> bool {
    let shared = |of: &Parts<'_>, with: &Parts<'_>| -> Vec<String> {
        let names = names(of).into_iter();
        names.filter(|name| find(with, name).is_some()).collect()
    };
    shared(left, right) == shared(right, left)
}

/// Whether a path is one of those that a pattern means; `*` stands for any text.
pub(super) fn matches(pattern: &str, path: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = path.strip_prefix(first) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        if let Some(earlier) = last.replace(part) {
            let Some(at) = rest.find(earlier) else {
                return false;
            };
            rest = rest.get(at + earlier.len()..).unwrap_or_default();
        }
    }
    match last {
        None => rest.is_empty(),
        Some(last) => rest.ends_with(last),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn paths(debezium: Value, walcast: Value) -> Vec<String> {
        let mut found = Vec::new();
        collect("t#1", &debezium, &walcast, &mut found);
        found.into_iter().map(|difference| difference.path).collect()
    }

    #[test]
    fn each_place_is_named_by_its_way() {
        let same = json!({ "a": [1, null], "b": { "c": "x" } });
        assert_eq!(paths(same.clone(), same.clone()), Vec::<String>::new());
        let other = json!({ "a": [1, 2, 3], "b": { "d": "x" } });
        assert_eq!(paths(same, other), ["t#1.a.1", "t#1.a.2", "t#1.b.c", "t#1.b.d"]);
        assert_eq!(paths(json!(null), json!({ "a": 1 })), ["t#1"]);
    }

    #[test]
    fn named_elements_are_compared_by_name_and_their_order_too() {
        let field = |name: &str, of: &str| json!({ "name": name, "type": of });
        let one = json!([field("a", "int"), field("b", "int")]);
        let two = json!([field("b", "int"), field("a", "long")]);
        assert_eq!(paths(one.clone(), two), ["t#1.order", "t#1.a.type"]);
        let longer = json!([field("a", "int"), field("c", "int"), field("b", "int")]);
        assert_eq!(paths(one, longer), ["t#1.c"]);
    }

    #[test]
    fn a_star_stands_for_any_text() {
        assert!(matches("t#1.key", "t#1.key"));
        assert!(!matches("t#1.key", "t#1.key.id"));
        assert!(matches("t#*.value.after.*", "t#12.value.after.price"));
        assert!(matches("*price", "t#12.value.after.price"));
        assert!(!matches("*.before.*", "t#12.value.after.price"));
        assert!(!matches("t*t", "t"));
    }
}
