use std::collections::BTreeSet;

use serde_json::Value;
use walcast_testbed::json_schema::differences;

use super::*;

fn document() -> Value {
    serde_json::from_str(DOCUMENT).unwrap()
}

#[test]
fn the_router_and_the_document_have_the_same_paths() {
    let document = document();
    let documented: BTreeSet<&str> = document["paths"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let routed: BTreeSet<&str> = routes().iter().map(|(path, _)| *path).collect();
    assert_eq!(documented, routed);
}

#[test]
fn every_operation_names_its_command_and_every_example_is_valid() {
    let document = document();
    let mut examples = 0;
    let mut check = |content: &Value, place: &str| {
        let json = &content["application/json"];
        if let Some(example) = json.get("example") {
            assert_eq!(
                differences(&document, &json["schema"], example),
                [""; 0],
                "{place}"
            );
            examples += 1;
        }
    };
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let place = format!("{method} {path}");
            let command = operation["x-command"].as_str().unwrap_or_default();
            assert!(!command.is_empty(), "{place}");
            assert_eq!(operation.get("security").is_some(), method == "post", "{place}");
            check(&operation["responses"]["200"]["content"], &place);
            if let Some(body) = operation.get("requestBody") {
                check(&body["content"], &place);
            }
        }
    }
    assert!(examples > 12, "{examples}");
}
