//! JSON merge patch (RFC 7396) on texts in JSON.
//!
//! Only objects that a patch changes are parsed; every other value stays the text that it is, so that no number loses digits. Members keep
//! their order, and new ones come last.

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

/// Depth of objects in objects up to which patches are applied: a deeper patch would need a stack without a limit.
const DEPTH_MAX: usize = 128;

/// Failure of a merge patch. The text contains no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MergePatchError {
    /// A text is not JSON.
    #[error("the payload is not JSON")]
    NotJson,
    /// The patch has objects in objects beyond a limit.
    #[error("the payload has more than {DEPTH_MAX} objects in each other")]
    TooDeep,
}

/// Applies a patch to a text in JSON; `None` is a target that does not exist.
///
/// # Errors
/// A text is not JSON, or the patch is too deep.
///
/// ```
/// let patched = walcast_mapper::merge_patch::apply(Some(r#"{"a":1,"b":2.50}"#), r#"{"a":null,"c":3}"#)?;
/// assert_eq!(patched, r#"{"b":2.50,"c":3}"#);
/// # Ok::<(), walcast_mapper::merge_patch::MergePatchError>(())
/// ```
pub fn apply(target: Option<&str>, patch: &str) -> Result<String, MergePatchError> {
    let parse = |text| serde_json::from_str::<&RawValue>(text).map_err(|_| MergePatchError::NotJson);
    let target = target.map(parse).transpose()?;
    Ok(merge(target, parse(patch)?, 0)?.get().to_owned())
}

fn merge(
    target: Option<&RawValue>,
    patch: &RawValue,
    depth: usize,
) -> Result<Box<RawValue>, MergePatchError> {
    let Some(changes) = Members::of(patch)? else {
        return Ok(patch.to_owned());
    };
    if depth >= DEPTH_MAX {
        return Err(MergePatchError::TooDeep);
    }
    let members = match target {
        Some(target) => Members::of(target)?.unwrap_or_default(),
        None => Members::default(),
    };
    let mut left: HashMap<&str, &RawValue> = changes.iter().collect();
    let mut merged = Vec::with_capacity(members.0.len());
    for (name, value) in members.0 {
        match left.remove(name.as_str()) {
            None => merged.push((name, value)),
            Some(change) if is_null(change) => {}
            Some(change) => {
                let value = merge(Some(&value), change, depth + 1)?;
                merged.push((name, value));
            }
        }
    }
    for (name, change) in changes.iter() {
        if left.contains_key(name) && !is_null(change) {
            merged.push((name.to_owned(), merge(None, change, depth + 1)?));
        }
    }
    serde_json::value::to_raw_value(&Members(merged)).map_err(|_| MergePatchError::NotJson)
}

fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

/// Members of an object, in their order.
#[derive(Default)]
struct Members(Vec<(String, Box<RawValue>)>);

impl Members {
    /// Members of a value; `None` if it is no object.
    fn of(value: &RawValue) -> Result<Option<Self>, MergePatchError> {
        match value.get().starts_with('{') {
            true => serde_json::from_str(value.get())
                .map(Some)
                .map_err(|_| MergePatchError::NotJson),
            false => Ok(None),
        }
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), &**value))
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members: Vec<(String, Box<RawValue>)> = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
            members.push((name, value));
        }
        // Of a member that is there twice, the last one counts, as for most readers of JSON.
        let mut later = HashSet::new();
        let mut is_last: Vec<bool> = members
            .iter()
            .rev()
            .map(|(name, _)| later.insert(name.as_str()))
            .collect();
        members.retain(|_| is_last.pop().unwrap_or(true));
        Ok(Members(members))
    }
}

impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::{DEPTH_MAX, MergePatchError, apply};

    /// The test cases of appendix A of RFC 7396: original, patch, result.
    const RFC_7396_APPENDIX_A: [(&str, &str, &str); 15] = [
        (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
        (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
        (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
        (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
        (
            r#"{"a":{"b":"c"}}"#,
            r#"{"a":{"b":"d","c":null}}"#,
            r#"{"a":{"b":"d"}}"#,
        ),
        (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
        (r#"["a","b"]"#, r#"["c","d"]"#, r#"["c","d"]"#),
        (r#"{"a":"b"}"#, r#"["c"]"#, r#"["c"]"#),
        (r#"{"a":"foo"}"#, "null", "null"),
        (r#"{"a":"foo"}"#, r#""bar""#, r#""bar""#),
        (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
        ("[1,2]", r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
        ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
    ];

    #[test]
    fn patches_are_those_of_the_rfc() {
        for (original, patch, result) in RFC_7396_APPENDIX_A {
            assert_eq!(
                apply(Some(original), patch).as_deref(),
                Ok(result),
                "{original} {patch}"
            );
        }
    }

    #[test]
    fn numbers_keep_their_digits_and_members_their_order() {
        let target = r#"{"z": 10.50, "a": 12345678901234567890.1, "n": {"y": 1e2, "x": [ 1 ]}}"#;
        assert_eq!(
            apply(
                Some(target),
                r#" {"n": {"x": 2.0}, "a": 0.10, "new": {"k": null, "l": 1}} "#
            )
            .as_deref(),
            Ok(r#"{"z":10.50,"a":0.10,"n":{"y":1e2,"x":2.0},"new":{"l":1}}"#)
        );
    }

    #[test]
    fn first_patch_needs_no_target() {
        assert_eq!(apply(None, r#"{"a":1,"b":null}"#).as_deref(), Ok(r#"{"a":1}"#));
        assert_eq!(apply(None, "7").as_deref(), Ok("7"));
    }

    #[test]
    fn last_of_two_equal_names_counts() {
        assert_eq!(
            apply(Some(r#"{"a":1,"a":2}"#), r#"{"b":1,"b":2}"#).as_deref(),
            Ok(r#"{"a":2,"b":2}"#)
        );
        assert_eq!(
            apply(
                Some(r#"{"a":1,"c":null,"\u0061":{"x":1}}"#),
                r#"{"a":3,"a":{"y":2},"c":4,"c":null}"#
            )
            .as_deref(),
            Ok(r#"{"a":{"x":1,"y":2}}"#)
        );
    }

    #[test]
    fn time_is_not_that_of_comparing_each_member_with_each_other_one() {
        let members = |value: &str| {
            let members: Vec<String> = (0..100_000)
                .map(|number| format!("\"{number}\":{value}"))
                .collect();
            format!("{{{}}}", members.join(","))
        };
        // Members against members would be ten billion comparisons, which is minutes.
        let target = apply(None, &members("1")).unwrap();
        assert_eq!(target, members("1"));
        assert_eq!(apply(Some(&target), &members("2")), Ok(members("2")));
        assert_eq!(apply(Some(&target), &members("null")).as_deref(), Ok("{}"));
    }

    #[test]
    fn texts_that_are_not_json_or_too_deep_are_rejected() {
        assert_eq!(apply(None, "{"), Err(MergePatchError::NotJson));
        assert_eq!(apply(Some("x"), "{}"), Err(MergePatchError::NotJson));
        let deep = |depth: usize| format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
        assert_eq!(apply(None, &deep(DEPTH_MAX + 1)), Err(MergePatchError::TooDeep));
        assert_eq!(apply(None, &deep(DEPTH_MAX)), Ok(deep(DEPTH_MAX)));
        assert!(MergePatchError::TooDeep.to_string().contains("128 objects"));
    }
}
