//! Comparison of payloads: by their members in any order, with numbers as they are written.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;

/// Depth to which payloads are compared by their parts; below it they are compared as text.
const DEPTH_MAX: usize = 64;

/// Differences between two payloads.
pub(super) fn differences(expected: &str, found: &str) -> Vec<String> {
    let mut list = Vec::new();
    match serde_json::from_str::<&RawValue>(expected) {
        Ok(expected) => compare("", expected.get(), found, 0, &mut list),
        Err(_) => list.push("after: it is not JSON".to_owned()),
    }
    list
}

fn compare(path: &str, expected: &str, found: &str, depth: usize, list: &mut Vec<String>) {
    let differ = |list: &mut Vec<String>| {
        let place = path.trim_start_matches('.');
        let place = match place.is_empty() {
            true => "payload",
            false => place,
        };
        list.push(format!("{place}: expected {expected}, found {found}"));
    };
    if depth < DEPTH_MAX {
        if let (Some(expected), Some(found)) = (members(expected), members(found)) {
            let names: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
            for name in names {
                let path = format!("{path}.{name}");
                let place = path.trim_start_matches('.');
                match (expected.get(name), found.get(name)) {
                    (Some(expected), Some(found)) => {
                        compare(&path, expected.get(), found.get(), depth + 1, list);
                    }
                    (Some(expected), None) => {
                        list.push(format!("{place}: expected {expected}, found no member"))
                    }
                    (None, Some(found)) => list.push(format!("{place}: expected no member, found {found}")),
                    (None, None) => {}
                }
            }
            return;
        }
        if let (Some(expected), Some(found)) = (items(expected), items(found))
            && expected.len() == found.len()
        {
            for (index, (expected, found)) in expected.iter().zip(&found).enumerate() {
                compare(
                    &format!("{path}[{index}]"),
                    expected.get(),
                    found.get(),
                    depth + 1,
                    list,
                );
            }
            return;
        }
    }
    let texts = (string(expected), string(found));
    let is_equal = match texts {
        (Some(expected), Some(found)) => expected == found,
        _ => expected == found,
    };
    if !is_equal {
        differ(list);
    }
}

fn members(json: &str) -> Option<BTreeMap<String, &RawValue>> {
    serde_json::from_str(json).ok()
}

fn items(json: &str) -> Option<Vec<&RawValue>> {
    serde_json::from_str(json).ok()
}

fn string(json: &str) -> Option<String> {
    serde_json::from_str(json).ok()
}
