//! The SQL that is run or, where the connector may not run it, told to a person: one builder for both, so that what is told
//! does what would have been run.

use walcast_mapper::TableName;

use crate::Partitions;

/// Partitioned tables can be published, and their changes sent as the root's, from this server version on.
pub const PARTITION_ROOTS_SINCE: u32 = 130_000;

/// An identifier in quotes.
#[must_use]
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A table's schema and name in quotes.
#[must_use]
pub fn table(name: &TableName) -> String {
    format!("{}.{}", identifier(&name.namespace), identifier(&name.name))
}

/// A text in quotes. The replication grammar knows no escapes but the doubled quote.
#[must_use]
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A text in quotes, whatever `standard_conforming_strings` is; for ordinary SQL. Without a type, it takes that of the column
/// it is compared with.
#[must_use]
pub fn escaped(text: &str) -> String {
    format!("E{}", literal(&text.replace('\\', "\\\\")))
}

/// What chooses the rows with a key, given by columns and values.
#[must_use]
pub fn has_key<C: AsRef<str>, V: AsRef<str>>(key: impl IntoIterator<Item = (C, V)>) -> String {
    let columns = key.into_iter();
    let columns: Vec<String> = columns
        .map(|(column, value)| format!("{} = {}", identifier(column.as_ref()), escaped(value.as_ref())))
        .collect();
    columns.join(" AND ")
}

/// The statement that creates a publication of exactly these tables. Where changes of partitions are sent as those of the
/// root, partitions which are added later are published too.
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

/// The statement that adds tables to a publication.
#[must_use]
pub fn add_to_publication<'t>(publication: &str, tables: impl IntoIterator<Item = &'t TableName>) -> String {
    format!(
        "ALTER PUBLICATION {} ADD TABLE {}",
        identifier(publication),
        list(tables)
    )
}

/// The statement that lets a publication send every operation.
#[must_use]
pub fn publish_all_operations(publication: &str) -> String {
    format!(
        "ALTER PUBLICATION {} SET (publish = 'insert, update, delete, truncate')",
        identifier(publication)
    )
}

fn list<'t>(tables: impl IntoIterator<Item = &'t TableName>) -> String {
    let quoted: Vec<String> = tables.into_iter().map(table).collect();
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
        expect![[r#"CREATE PUBLICATION "p" FOR TABLE "public"."a", "public"."B""" WITH (publish_via_partition_root = true)"#]]
            .assert_eq(&create_publication("p", &[name("a"), name("B\"")], 170_000, Partitions::Root));
        let plain = expect![[r#"CREATE PUBLICATION "p" FOR TABLE "public"."a""#]];
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
    fn tables_are_added_by_one_statement() {
        expect![[r#"ALTER PUBLICATION "p" ADD TABLE "public"."a", "public"."b""#]]
            .assert_eq(&add_to_publication("p", &[name("a"), name("b")]));
    }
}
