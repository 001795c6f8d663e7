//! Translation of the registration of schemas.

use super::with;

#[test]
fn registration_of_schemas_is_one_setting() {
    let values = "value.converter.auto.register.schemas=false\n";
    // A converter without a registry registers nothing.
    for keys in [
        "key.converter.auto.register.schemas=false",
        "key.converter=org.apache.kafka.connect.json.JsonConverter",
    ] {
        let migration = with(&format!("{values}{keys}"));
        assert!(
            migration.toml.contains("\nauto_register = false "),
            "{}",
            migration.toml
        );
    }
    let of_values_only = with(values);
    assert!(
        !of_values_only.toml.contains("\nauto_register"),
        "{}",
        of_values_only.toml
    );
    assert!(of_values_only.is_incomplete());
}
