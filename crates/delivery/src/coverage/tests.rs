//! Every finding about publication and tables, with its text.

use expect_test::{Expect, expect};
use walcast_mapper::TableName;
use walcast_pgoutput::{Lsn, Oid, ReplicaIdentity};

use super::*;
use crate::{CapturedTable, Partitions, SystemIdentifier, Timeline};

fn name(table: &str) -> TableName {
    TableName {
        namespace: "public".to_owned(),
        name: table.to_owned(),
    }
}

fn captured(table: &str) -> CapturedTable {
    CapturedTable {
        name: name(table),
        oid: Oid::new(16_400),
        persistence: Persistence::Permanent,
        replica_identity: ReplicaIdentity::Default,
        identifies_rows: true,
    }
}

/// Two tables, both captured and published.
fn survey() -> Survey {
    Survey {
        system_identifier: SystemIdentifier::new(7),
        timeline: Timeline::new(1),
        history: Vec::new(),
        server_version: 170_006,
        flush_lsn: Lsn::new(0x300),
        database: "shop".to_owned(),
        wal_level: "logical".to_owned(),
        slot: None,
        publication: Some(PublicationState {
            all_tables: false,
            tables: vec![name("items"), name("orders")],
            unpublished: Vec::new(),
            restricted: Vec::new(),
        }),
        captured: vec![captured("items"), captured("orders")],
        partitions: Partitions::Root,
        unmatched_patterns: Vec::new(),
    }
}

fn check(change: impl FnOnce(&mut Survey), expected: &Expect) {
    let mut survey = survey();
    change(&mut survey);
    let findings = table_findings(&survey)
        .into_iter()
        .chain(publication_findings(&survey, "shop \"live\""));
    let lines: Vec<String> = findings.map(|finding| format!("{finding}\n")).collect();
    expected.assert_eq(&lines.concat());
}

fn publication(survey: &mut Survey) -> &mut PublicationState {
    survey.publication.as_mut().unwrap()
}

#[test]
fn nothing_is_wrong() {
    check(|_| {}, &expect![[""]]);
    check(
        |survey| publication(survey).tables.push(name("more")),
        &expect![[""]],
    );
}

#[test]
fn a_server_that_does_not_write_enough() {
    check(
        |survey| survey.wal_level = "replica".to_owned(),
        &expect![[r#"
        wal_level is replica, but logical decoding needs logical; run: ALTER SYSTEM SET wal_level = logical, and restart the server
    "#]],
    );
}

#[test]
fn a_pattern_without_table() {
    check(
        |survey| survey.unmatched_patterns.push("public.item".to_owned()),
        &expect![[r#"
            no table matches "public.item" of [postgres] tables; correct the pattern, or create the table first
        "#]],
    );
}

#[test]
fn tables_that_are_not_in_the_log() {
    check(
        |survey| survey.captured[0].persistence = Persistence::Unlogged,
        &expect![[r#"
            table public.items is unlogged, so its changes are not in the log; ALTER TABLE "public"."items" SET LOGGED, or exclude it
        "#]],
    );
}

#[test]
fn a_table_that_must_not_be_published() {
    check(
        |survey| survey.captured[1].identifies_rows = false,
        &expect![[r#"
            table public.orders has no replica identity: once published, the server would refuse its updates and deletes in the application; add a primary key, or run: ALTER TABLE "public"."orders" REPLICA IDENTITY FULL; or exclude it
        "#]],
    );
}

#[test]
fn a_publication_that_is_missing() {
    check(
        |survey| survey.publication = None,
        &expect![[r#"
        publication shop "live" does not exist; create it with: CREATE PUBLICATION "shop ""live""" FOR TABLE "public"."items", "public"."orders" WITH (publish_via_partition_root = true)
    "#]],
    );
}

#[test]
fn a_publication_that_lost_tables() {
    check(
        |survey| publication(survey).tables.clear(),
        &expect![[r#"
        table public.items is captured but not in publication shop "live", so its changes would never arrive; add it with: ALTER PUBLICATION "shop ""live""" ADD TABLE "public"."items"
        table public.orders is captured but not in publication shop "live", so its changes would never arrive; add it with: ALTER PUBLICATION "shop ""live""" ADD TABLE "public"."orders"
    "#]],
    );
    check(
        |survey| survey.captured.push(captured("odd \"name\"")),
        &expect![[r#"
            table public.odd "name" is captured but not in publication shop "live", so its changes would never arrive; add it with: ALTER PUBLICATION "shop ""live""" ADD TABLE "public"."odd ""name"""
        "#]],
    );
}

#[test]
fn a_publication_that_hides_operations() {
    check(
        |survey| publication(survey).unpublished = vec!["update", "delete"],
        &expect![[r#"
            publication shop "live" does not publish update, delete; publish all with: ALTER PUBLICATION "shop ""live""" SET (publish = 'insert, update, delete, truncate')
        "#]],
    );
}

/// All at once, so that one look shows all there is to do.
#[test]
fn everything_is_wrong() {
    check(
        |survey| {
            survey.wal_level = "minimal".to_owned();
            survey.captured[0].persistence = Persistence::Unlogged;
            survey.captured[1].identifies_rows = false;
            publication(survey).unpublished = vec!["insert"];
            publication(survey).tables.remove(0);
        },
        &expect![[r#"
            wal_level is minimal, but logical decoding needs logical; run: ALTER SYSTEM SET wal_level = logical, and restart the server
            table public.items is unlogged, so its changes are not in the log; ALTER TABLE "public"."items" SET LOGGED, or exclude it
            table public.orders has no replica identity: once published, the server would refuse its updates and deletes in the application; add a primary key, or run: ALTER TABLE "public"."orders" REPLICA IDENTITY FULL; or exclude it
            publication shop "live" does not publish insert; publish all with: ALTER PUBLICATION "shop ""live""" SET (publish = 'insert, update, delete, truncate')
            table public.items is captured but not in publication shop "live", so its changes would never arrive; add it with: ALTER PUBLICATION "shop ""live""" ADD TABLE "public"."items"
        "#]],
    );
}

#[test]
fn an_old_connector_says_what_was_missed() {
    let mut survey = survey();
    survey.captured.truncate(1);
    survey.captured[0].persistence = Persistence::Unlogged;
    let missed = Halt::NotCovered {
        finding: Box::new(table_findings(&survey).remove(0)),
        after: Lsn::new(0x200),
        until: survey.flush_lsn,
    };
    expect![[r#"table public.items is unlogged, so its changes are not in the log; ALTER TABLE "public"."items" SET LOGGED, or exclude it; what was changed in (0/200, 0/300] while this was so is not delivered: re-read the tables concerned"#]].assert_eq(&missed.to_string());
}
