//! Steps, chains and tests of upcasters.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::document::Object;
use super::{ChainError, Step, UpcastTest, Upcaster, chains};

fn upcaster(steps: Value) -> Upcaster {
    serde_json::from_value(json!({"type": "OrderPlaced", "from": 1, "to": "2", "steps": steps})).unwrap()
}

/// Checks the payload that steps make, or their error.
fn check(steps: Value, before: &str, expected: &Expect) {
    let steps = upcaster(steps);
    let mut payload = Object::parse(before).unwrap();
    let upcast = steps.apply(&mut payload);
    expected.assert_eq(&match upcast {
        Ok(()) => payload.to_json().unwrap(),
        Err(problem) => problem,
    });
}

#[test]
fn members_that_no_step_concerns_keep_their_order_and_their_digits() {
    check(
        json!([{"rename": "a", "to": "b"}, {"drop": "inner.gone"}]),
        r#"{"z": 1.10, "a": 123456789012345678901234567890, "e": 1E400, "inner": {"y": [1.0, {"k": "\u00e9"}], "gone": 1, "x": 0.1}}"#,
        &expect![[
            r#"{"z":1.10,"b":123456789012345678901234567890,"e":1E400,"inner":{"y":[1.0, {"k": "\u00e9"}],"x":0.1}}"#
        ]],
    );
}

#[test]
fn each_step_changes_its_member() {
    check(
        json!([{"default": "currency", "value": "EUR"}, {"default": "origin.channel", "value": {"web": true}}]),
        r#"{"currency": null}"#,
        &expect![[r#"{"currency":null,"origin":{"channel":{"web":true}}}"#]],
    );
    check(
        json!([{"move": "address.city", "to": "place.city"}]),
        r#"{"address": {"city": "Bergen", "zip": "5003"}, "n": 1}"#,
        &expect![[r#"{"address":{"zip":"5003"},"n":1,"place":{"city":"Bergen"}}"#]],
    );
    check(
        json!([{"split": "name", "at": " ", "into": ["first", "last"]}]),
        r#"{"id": 1, "name": "Ada King Lovelace", "n": 1}"#,
        &expect![[r#"{"id":1,"first":"Ada","last":"King Lovelace","n":1}"#]],
    );
    check(
        json!([{"retype": "a", "as": "string"}, {"retype": "b", "as": "number"}, {"retype": "c", "as": "integer"},
               {"retype": "d", "as": "boolean"}, {"retype": "e", "as": "array"}, {"retype": "f", "as": "array"}]),
        r#"{"a": 1.50, "b": "1.50", "c": "12", "d": "true", "e": {"k": 1}, "f": [1]}"#,
        &expect![[r#"{"a":"1.50","b":1.50,"c":12,"d":true,"e":[{"k": 1}],"f":[1]}"#]],
    );
    check(
        json!([{"rename": "lines[].sku", "to": "code"}, {"retype": "lines[].count", "as": "integer"}]),
        r#"{"lines": [{"sku": "a", "count": "1"}, {"count": 2}]}"#,
        &expect![[r#"{"lines":[{"code":"a","count":1},{"count":2}]}"#]],
    );
}

#[test]
fn members_that_do_not_exist_or_are_null_are_left_alone() {
    check(
        json!([{"rename": "a", "to": "b"}, {"move": "c.d", "to": "e"}, {"split": "f", "at": " ", "into": ["g", "h"]},
               {"retype": "i", "as": "string"}, {"drop": "j.k"}, {"retype": "l[].m", "as": "string"}]),
        r#"{"f": null, "i": null, "j": null, "l": null}"#,
        &expect![[r#"{"g":null,"h":null,"i":null,"j":null,"l":null}"#]],
    );
}

#[test]
fn steps_that_would_lose_a_value_fail() {
    for (step, payload, expected) in [
        (
            json!({"rename": "a", "to": "b"}),
            r#"{"a": 1, "b": 2}"#,
            "step 1, a: a member exists already",
        ),
        (
            json!({"move": "a", "to": "c.b"}),
            r#"{"a": 1, "c": {"b": 2}}"#,
            "step 1, a: a member exists already",
        ),
        (
            json!({"move": "a", "to": "c.b"}),
            r#"{"a": 1, "c": "text"}"#,
            "step 1, a: it is not an object in JSON",
        ),
        (
            json!({"split": "a", "at": " ", "into": ["b", "c"]}),
            r#"{"a": "one"}"#,
            "step 1, a: it has fewer parts",
        ),
        (
            json!({"split": "a", "at": " ", "into": ["b", "c"]}),
            r#"{"a": 1}"#,
            "step 1, a: it is not a string",
        ),
        (
            json!({"retype": "a", "as": "integer"}),
            r#"{"a": "1.5"}"#,
            "step 1, a: it cannot be written as a value of the type",
        ),
        (
            json!({"retype": "a", "as": "number"}),
            r#"{"a": "0x1"}"#,
            "step 1, a: it cannot be written as a value of the type",
        ),
        (
            json!({"retype": "a", "as": "string"}),
            r#"{"a": [1]}"#,
            "step 1, a: it cannot be written as a value of the type",
        ),
        (
            json!({"drop": "a.b"}),
            r#"{"a": {"b": 1, "b": 2}}"#,
            "step 1, a.b: it has a member twice",
        ),
    ] {
        let mut parsed = Object::parse(payload).unwrap();
        let error = upcaster(json!([step])).apply(&mut parsed).unwrap_err();
        assert_eq!(error, expected, "{payload}");
    }
    assert_eq!(Object::parse("[1]").unwrap_err(), "it is not an object in JSON");
    assert_eq!(
        Object::parse(r#"{"a": 1, "a": 2}"#).unwrap_err(),
        "it has a member twice"
    );
}

#[test]
fn steps_that_cannot_be_meant_are_rejected() {
    for (step, expected) in [
        (json!({}), "a step has one of rename"),
        (json!({"drop": "a", "rename": "b"}), "a step has one of rename"),
        (json!({"rename": "a"}), "a step with rename has to beside it"),
        (
            json!({"rename": "a", "to": "b.c"}),
            "\"b.c\" is no path of a member",
        ),
        (
            json!({"drop": "a", "to": "b"}),
            "a step with drop has nothing beside it",
        ),
        (json!({"drop": "a..b"}), "\"a..b\" is no path of a member"),
        (json!({"drop": "a[]"}), "\"a[]\" is no path of a member"),
        (
            json!({"split": "a", "at": "", "into": ["b", "c"]}),
            "a step with split has at and into",
        ),
        (
            json!({"move": "a[].b", "to": "c"}),
            "a step with move has paths without []",
        ),
        (
            json!({"default": "a", "value": {"$__toml_private_datetime": "2026-01-01"}}),
            "is a date or time of TOML",
        ),
    ] {
        let error = serde_json::from_value::<Step>(step).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn chains_lead_to_one_version() {
    let upcaster = |from: &str, to: &str| -> Upcaster {
        serde_json::from_value(
            json!({"type": "t", "from": from, "to": to, "steps": [{"rename": from, "to": to}]}),
        )
        .unwrap()
    };
    let found = chains(&[upcaster("2", "3"), upcaster("1", "2")]).unwrap();
    let chain = found.get("t").unwrap();
    assert_eq!(chain.current, "3");
    let mut payload = Object::parse(r#"{"1": true}"#).unwrap();
    chain.apply("1", &mut payload).unwrap();
    assert_eq!(payload.to_json().unwrap(), r#"{"3":true}"#);
    let mut payload = Object::default();
    assert_eq!(
        chain.apply("4", &mut payload).unwrap_err(),
        "no upcaster leads from this version to the current one"
    );
    // Two chains may meet.
    assert!(chains(&[upcaster("1", "3"), upcaster("2", "3")]).is_ok());
    assert_eq!(
        chains(&[upcaster("1", "2"), upcaster("1", "3")]),
        Err(ChainError::Twice(upcaster("1", "3")))
    );
    for wrong in [
        vec![upcaster("1", "2"), upcaster("3", "4")],
        vec![upcaster("1", "2"), upcaster("2", "1")],
        vec![upcaster("1", "1")],
        vec![upcaster("1", "2"), upcaster("2", "1"), upcaster("3", "4")],
    ] {
        assert_eq!(chains(&wrong), Err(ChainError::End("t".to_owned())));
    }
}

#[test]
fn tests_compare_members_in_any_order_and_numbers_by_their_digits() {
    let steps = upcaster(json!([{"rename": "a", "to": "b"}]));
    let differences = |before: &str, after: Option<&str>| {
        let test = UpcastTest {
            before: before.to_owned(),
            after: after.map(ToOwned::to_owned),
        };
        steps.test(&test)
    };
    let nothing: [&str; 0] = [];
    assert_eq!(
        differences(r#"{"a": 1.0, "k": "\u00e9"}"#, Some(r#"{ "k": "é", "b": 1.0 }"#)),
        nothing
    );
    assert_eq!(
        differences(
            r#"{"a": {"n": [1, 2]}, "c": 1}"#,
            Some(r#"{"b": {"n": [1, 2.0]}, "d": 1}"#)
        ),
        [
            "b.n[1]: expected 2.0, found 2",
            "c: expected no member, found 1",
            "d: expected 1, found no member"
        ]
    );
    assert_eq!(differences(r#"{"a": 1, "b": 1}"#, None), nothing);
    assert_eq!(
        differences(r#"{"a": 1}"#, None),
        [r#"expected an error, found {"b":1}"#]
    );
    assert_eq!(
        differences("[]", Some("{}")),
        ["before: it is not an object in JSON"]
    );
    assert_eq!(differences("{}", Some("x")), ["after: it is not JSON"]);
}
