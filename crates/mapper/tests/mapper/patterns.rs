//! Patterns for tables, columns and names.

use expect_test::{Expect, expect};
use proptest::prelude::*;
use walcast_mapper::TableName;
use walcast_mapper::pattern::{ColumnPattern, NamePattern, TablePattern};

fn table(namespace: &str, name: &str) -> TableName {
    TableName {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

fn chooses(pattern: &str, namespace: &str, name: &str) -> bool {
    pattern
        .parse::<TablePattern>()
        .unwrap()
        .matches(&table(namespace, name))
}

#[test]
fn a_star_matches_anything() {
    assert!(chooses("public.*", "public", "orders"));
    assert!(!chooses("public.*", "public2", "orders"));
    assert!(chooses("*.a*b*c", "x", "a_bb_c"));
    assert!(!chooses("*.a*b*c", "x", "a_bb_cd"));
    assert!(
        !chooses("x.order_", "x", "orders"),
        "an underscore is no wildcard"
    );
    assert!(chooses("Sales.Order_*", "sales", "order_1"));
    assert!(chooses("x.\"a*\"", "x", "a*"));
    assert!(!chooses("x.\"a*\"", "x", "ab"));
    assert!(chooses(r#""My.Schema"."a""b""#, "My.Schema", "a\"b"));
}

#[test]
fn a_regular_expression_covers_the_whole_name_in_any_case() {
    assert!(chooses(r"/public\.orders_[0-9]+/", "public", "orders_12"));
    assert!(chooses(r"/public\.orders_[0-9]+/", "Public", "ORDERS_12"));
    assert!(!chooses(r"/public\.orders_[0-9]+/", "public", "orders_12b"));
    assert!(!chooses(r"/public\.orders_[0-9]+/", "xpublic", "orders_12"));
    assert!(
        chooses("/public.a|public.ab/", "public", "ab"),
        "the longer branch counts"
    );
    assert!(chooses("/.*/", "any", "with.dots and / too"));
    assert!(chooses(r"/geschäft\..*/", "GESCHÄFT", "x"));
}

#[test]
fn columns_and_names_have_their_own_number_of_parts() {
    let column = |pattern: &str| pattern.parse::<ColumnPattern>().unwrap();
    let users = table("public", "users");
    assert!(column("public.*.email").matches(&users, "email"));
    assert!(!column("public.*.email").matches(&users, "email2"));
    assert!(column(r"/.*\.users\.(email|phone)/").matches(&users, "Phone"));
    let name = |pattern: &str| pattern.parse::<NamePattern>().unwrap();
    assert!(name("tenant_*").matches("tenant_id"));
    assert!(name("\"Id\"").matches("Id") && !name("Id").matches("Id"));
    assert!(name("/id|ref/").matches("REF"));
}

fn check<P: std::str::FromStr<Err: std::fmt::Display>>(text: &str, expected: Expect) {
    expected.assert_eq(&text.parse::<P>().err().unwrap().to_string());
}

#[test]
fn invalid_patterns_are_rejected_with_a_reason() {
    check::<TablePattern>(
        "orders",
        expect![[
            r#""orders" is not a table pattern: write schema.table, such as public.orders or public.*"#
        ]],
    );
    check::<TablePattern>(
        "a.b.c",
        expect![[
            r#""a.b.c" is not a table pattern: something follows the table's name; quote names with dots in them"#
        ]],
    );
    check::<TablePattern>(
        "public.",
        expect![[r#""public." is not a table pattern: a name is empty"#]],
    );
    check::<TablePattern>(
        "\"a",
        expect![[r#""\"a" is not a table pattern: a quote is not closed"#]],
    );
    check::<TablePattern>(
        "a\"b\".c",
        expect![[
            r#""a\"b\".c" is not a table pattern: write schema.table, such as public.orders or public.*"#
        ]],
    );
    check::<TablePattern>(
        "/a",
        expect![[r#""/a" is not a table pattern: a regular expression stands between two slashes"#]],
    );
    check::<TablePattern>(
        "/a)(b/",
        expect![[r#""/a)(b/" is not a regular expression: unopened group"#]],
    );
    check::<TablePattern>(
        "/(?!audit).*/",
        expect![[
            r#""/(?!audit).*/" is not a regular expression: look-around, including look-ahead and look-behind, is not supported"#
        ]],
    );
    check::<ColumnPattern>(
        "users.email",
        expect![[
            r#""users.email" is not a column pattern: write schema.table.column, such as public.users.email or *.*.email"#
        ]],
    );
    check::<NamePattern>(
        "a.b",
        expect![[
            r#""a.b" is not a name pattern: something follows the name; quote names with dots in them"#
        ]],
    );
}

proptest! {
    #[test]
    fn any_name_can_be_quoted(namespace in "[^\\x00]{1,8}", name in "[^\\x00]{1,8}", other in "[^\\x00]{1,8}") {
        let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let pattern: TablePattern = format!("{}.{}", quote(&namespace), quote(&name)).parse().unwrap();
        prop_assert!(pattern.matches(&table(&namespace, &name)));
        prop_assert_eq!(pattern.matches(&table(&namespace, &other)), name == other);
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        if let Ok(pattern) = text.parse::<TablePattern>() {
            prop_assert_eq!(pattern.to_string(), text.trim());
        }
    }
}
