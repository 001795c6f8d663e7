//! `walcast sql context`: functions by which transactions get a context.

use walcast_delivery::sql::identifier;

const CREATE: &str = include_str!("create_context.sql");
const REMOVE: &str = include_str!("remove_context.sql");
/// Place of the name of the schema in the scripts.
const SCHEMA: &str = "{schema}";
/// Postgres truncates longer names.
const NAME_BYTES_MAX: usize = 63;

/// Script that creates the functions in a schema, or replaces them.
pub(super) fn create(schema: &str) -> String {
    CREATE.replace(SCHEMA, &identifier(schema))
}

/// Script that removes the functions.
pub(super) fn remove(schema: &str) -> String {
    REMOVE.replace(SCHEMA, &identifier(schema))
}

/// Checks the name of a schema. The scripts have it in comments as well, which a line break would end.
pub(super) fn schema(name: &str) -> Result<String, String> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
        return Err(format!(
            "expected a Postgres name of up to {NAME_BYTES_MAX} bytes without control characters"
        ));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{CREATE, REMOVE, SCHEMA, create, remove, schema};

    #[test]
    fn the_schema_is_quoted_everywhere() {
        for (template, script) in [(CREATE, create("A\"b")), (REMOVE, remove("A\"b"))] {
            let places = template.matches(SCHEMA).count();
            assert!(places > 2);
            assert_eq!(script.matches("\"A\"\"b\"").count(), places);
            assert!(!script.contains(SCHEMA));
        }
    }

    #[test]
    fn functions_have_the_rights_of_their_caller_and_a_fixed_search_path() {
        let script = create("walcast");
        let functions = script.matches("CREATE OR REPLACE FUNCTION").count();
        assert_eq!(functions, 2);
        for option in ["SECURITY INVOKER", "SET search_path = pg_catalog, pg_temp"] {
            assert_eq!(script.matches(option).count(), functions, "{option}");
        }
    }

    #[test]
    fn names_that_would_leave_a_comment_are_rejected() {
        let long = "x".repeat(64);
        for name in ["", "a\nDROP TABLE t; --", "a\r", "a\0", long.as_str()] {
            assert!(schema(name).is_err(), "{name:?}");
        }
        assert_eq!(schema("Ä \"; --").as_deref(), Ok("Ä \"; --"));
    }
}
