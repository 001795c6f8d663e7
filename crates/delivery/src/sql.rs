//! Builder of the SQL that the connector executes or, where it may not, prints for a user: both come from the same
//! functions, so a printed statement does exactly what the connector would have done.

use walcast_mapper::TableName;

use crate::source_state::Partitions;

/// First server version that can publish partitioned tables and send changes of partitions as changes of the root.
pub const PARTITION_ROOTS_SINCE: u32 = 130_000;

/// Quotes an identifier.
#[must_use]
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes a table's schema and name.
#[must_use]
pub fn table(name: &TableName) -> String {
    format!("{}.{}", identifier(&name.namespace), identifier(&name.name))
}

/// Quotes a text as a literal. The replication grammar has no escape but the doubled quote.
#[must_use]
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Quotes a text as a literal under any setting of `standard_conforming_strings`, for ordinary SQL. The untyped literal
/// takes the type of the column that it is compared with.
#[must_use]
pub fn escaped(text: &str) -> String {
    format!("E{}", literal(&text.replace('\\', "\\\\")))
}

/// Condition that selects the rows with a key, given as columns and values, for a snapshot request
/// ([`crate::condition`]).
#[must_use]
pub fn has_key<C: AsRef<str>, V: AsRef<str>>(key: impl IntoIterator<Item = (C, V)>) -> String {
    compare(key, "=")
}

/// Condition that selects the rows with a key, for the server. The operators are qualified, so that no operator of
/// another schema, which the owner of that schema could have created, is found through `search_path`.
#[must_use]
pub fn equals_key<C: AsRef<str>, V: AsRef<str>>(key: impl IntoIterator<Item = (C, V)>) -> String {
    compare(key, "OPERATOR(pg_catalog.=)")
}

fn compare<C: AsRef<str>, V: AsRef<str>>(key: impl IntoIterator<Item = (C, V)>, operator: &str) -> String {
    let columns = key.into_iter();
    let columns: Vec<String> = columns
        .map(|(column, value)| {
            let (column, value) = (identifier(column.as_ref()), escaped(value.as_ref()));
            format!("{column} {operator} {value}")
        })
        .collect();
    columns.join(" AND ")
}

/// Statement that creates a publication of exactly these tables: `ONLY`, because the server would publish tables that inherit
/// from them too, and reject updates of those that have no replica identity. If changes of partitions are sent as changes of the
/// root, partitions that are added later are published too.
#[must_use]
pub fn create_publication<'t>(
    publication: &str,
    tables: impl IntoIterator<Item = &'t TableName>,
    server_version: u32,
    partitions: Partitions,
) -> String {
    let listed = list(tables);
    let what = if listed.is_empty() {
        String::new()
    } else {
        format!(" FOR TABLE {listed}")
    };
    let options = match partitions {
        Partitions::Root if server_version >= PARTITION_ROOTS_SINCE => {
            " WITH (publish_via_partition_root = true)"
        }
        Partitions::Root | Partitions::Leaf => "",
    };
    format!("CREATE PUBLICATION {}{what}{options}", identifier(publication))
}

/// Statement that adds tables to a publication.
#[must_use]
pub fn add_to_publication<'t>(publication: &str, tables: impl IntoIterator<Item = &'t TableName>) -> String {
    format!(
        "ALTER PUBLICATION {} ADD TABLE {}",
        identifier(publication),
        list(tables)
    )
}

/// Statement that creates a slot for pgoutput; a failover slot on servers that have them (17 and later).
#[must_use]
pub fn create_slot(slot: &str, is_failover: bool) -> String {
    let failover = if is_failover { ", failover => true" } else { "" };
    format!(
        "SELECT pg_create_logical_replication_slot({}, 'pgoutput'{failover})",
        literal(slot)
    )
}

/// Statements that remove row filter and column list of a published table, in one transaction, so that no change is missed in between.
#[must_use]
pub fn remove_restriction(publication: &str, name: &TableName) -> String {
    let (publication, name) = (identifier(publication), table(name));
    format!(
        "BEGIN; ALTER PUBLICATION {publication} DROP TABLE ONLY {name}; ALTER PUBLICATION {publication} ADD TABLE ONLY {name}; COMMIT"
    )
}

/// Statement that makes a publication send all operations.
#[must_use]
pub fn publish_all_operations(publication: &str) -> String {
    format!(
        "ALTER PUBLICATION {} SET (publish = 'insert, update, delete, truncate')",
        identifier(publication)
    )
}

/// Longest name of a slot.
const SLOT_NAME_BYTES_MAX: usize = 63;

/// Statements that replace a slot by one without `two_phase` at the same positions. A copy of a slot never has the option; the slot
/// is copied twice, so that it keeps its name.
#[must_use]
pub fn remove_two_phase(slot: &str) -> String {
    const SUFFIX: &str = "_copy";
    let length = slot.len().min(SLOT_NAME_BYTES_MAX - SUFFIX.len());
    let copy = literal(&format!("{}{SUFFIX}", slot.get(..length).unwrap_or_default()));
    let slot = literal(slot);
    format!(
        "SELECT pg_copy_logical_replication_slot({slot}, {copy}); SELECT pg_drop_replication_slot({slot}); \
         SELECT pg_copy_logical_replication_slot({copy}, {slot}); SELECT pg_drop_replication_slot({copy})"
    )
}

fn list<'t>(tables: impl IntoIterator<Item = &'t TableName>) -> String {
    let quoted: Vec<String> = tables
        .into_iter()
        .map(|name| format!("ONLY {}", table(name)))
        .collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn name(table: &str) -> TableName {
        TableName {
            namespace: "public".to_owned(),
            name: table.to_owned(),
        }
    }

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(identifier(r#"a"b'c"#), r#""a""b'c""#);
        assert_eq!(literal(r#"a"b'c"#), r#"'a"b''c'"#);
        assert_eq!(escaped(r"a\b'c"), r"E'a\\b''c'");
    }

    #[test]
    fn a_publication_names_exactly_its_tables() {
        expect![[r#"CREATE PUBLICATION "p" FOR TABLE ONLY "public"."a", ONLY "public"."B""" WITH (publish_via_partition_root = true)"#]]
            .assert_eq(&create_publication("p", &[name("a"), name("B\"")], 170_000, Partitions::Root));
        let plain = expect![[r#"CREATE PUBLICATION "p" FOR TABLE ONLY "public"."a""#]];
        plain.assert_eq(&create_publication("p", &[name("a")], 120_000, Partitions::Root));
        plain.assert_eq(&create_publication("p", &[name("a")], 170_000, Partitions::Leaf));
        expect![[r#"CREATE PUBLICATION "p""#]].assert_eq(&create_publication(
            "p",
            &[],
            120_000,
            Partitions::Root,
        ));
    }

    #[test]
    fn a_slot_is_a_failover_slot_where_there_are_any() {
        expect!["SELECT pg_create_logical_replication_slot('s', 'pgoutput')"]
            .assert_eq(&create_slot("s", false));
        expect!["SELECT pg_create_logical_replication_slot('s', 'pgoutput', failover => true)"]
            .assert_eq(&create_slot("s", true));
    }

    #[test]
    fn a_copy_of_a_slot_has_a_name_that_the_server_accepts() {
        let longest = "s".repeat(63);
        assert!(remove_two_phase(&longest).contains(&format!("'{}_copy'", "s".repeat(58))));
    }

    #[test]
    fn one_statement_adds_all_tables() {
        expect![[r#"ALTER PUBLICATION "p" ADD TABLE ONLY "public"."a", ONLY "public"."b""#]]
            .assert_eq(&add_to_publication("p", &[name("a"), name("b")]));
    }
}
