//! Deliberate deviations from Debezium 3.3.1: its output and ours.
//!
//! `testdata/debezium-3.3.1/README.md` gives the reason for each.

use crate::golden::{Golden, Record};
use crate::shown;
use apache_avro::Schema;
use expect_test::{Expect, expect};

/// The row images of a record: `before` for deletes, `after` for the rest.
fn rows(schema: &serde_json::Value, records: &[Record]) -> String {
    // Debezium's schemas have defaults that an Avro library may reject; decimals are read as bytes here.
    let text = schema.to_string().replace(r#","logicalType":"decimal""#, "");
    let schema = Schema::parse_str(&text).unwrap();
    let row = |record: &Record| {
        let Some(value) = &record.value else {
            return "tombstone".to_owned();
        };
        let value = shown::decode(&schema, value);
        let (before, after) = (shown::field(&value, "before"), shown::field(&value, "after"));
        let shown = shown::show(if shown::show(after) == "null" {
            before
        } else {
            after
        });
        // Values are distinguished well before this depth.
        shown.chars().take(SHOWN_MAX).collect()
    };
    records.iter().map(row).collect::<Vec<String>>().join("\n")
}

const SHOWN_MAX: usize = 700;

fn check(table: &str, theirs: Expect, ours: Expect) {
    let golden = Golden::load();
    let replayed = golden.replay();
    let topic = format!("p.public.{table}");
    let their_schema = &golden.schemas[&golden.ids(&topic).value.unwrap().as_u32()];
    theirs.assert_eq(&rows(their_schema, &golden.records[&topic]));
    let (_, our_schema) = &replayed.schemas[&topic];
    ours.assert_eq(&rows(
        our_schema,
        replayed
            .records
            .get(&topic)
            .map(Vec::as_slice)
            .unwrap_or_default(),
    ));
}

#[test]
fn scalars() {
    check(
        "x_types",
        expect![[r#"
        {id: 1, nm: null, n_neg: x04c2ce5860dc47c1cdc62129b125061219905d3e74a5612972e373bf0f0ad6a334ed937c9c3126b627f40048b88684391d06a68ff344fd192c68f3b90e4c23008d2202d645a72e81065395488fc277d80723d04ef27d111be5ed7a1769d149aea38c44347a8ae1b143e6a69645713b0d552d3e29815a64de25d434cde568b9000aadf6d493d927a30ce038b1fdfe15fbb47181e5b5fb477cf5b3ad3eb5c9e2c552b53647919031d10ed9b7ffe67ba94fbd8683a7677123413e1649ccaa7968ac839b434f5dc321eb04d58fb094007d69da98db0eebaa936fce565a394348d6902b9f4901781515cdf6475a6cbee6fc2b19bed91aa6832f8df716c6e02b0a3eedecb5bc8f7712d762b16026f2d4a2da421d19e8a33c6151d3e937c7ced78df2d6d1f208768c6ce06a92e6cf66d447b1501af9841eddea0abfa969c035e5be99e88a09e2b3f1041a673d48a1c62da6e37d74
        {id: 1, nm: null, n_neg: null, txt: "it", ts: null}
        tombstone"#]],
        expect![[r#"
        {id: 1, nm: null, n_neg: null, txt: "it's", ts: null}
        tombstone"#]],
    );
}

#[test]
fn arrays() {
    check(
        "x_arrays",
        expect![[r#"
        {id: 1, m: null, d: null, ts: null, tz: null, i4: null, txt: null, t: null}
        {id: 2, m: null, d: [-622191234, -625821272, -703383], ts: [9223372036825200000, -9223372036832400000, -63517953600000000], tz: ["infinity", "+292269055-12-02T23:00:00.000000Z", "0044-03-15T12:00:00.000000Z"], i4: null, txt: null, t: null}
        {id: 3, m: null, d: null, ts: null, tz: null, i4: [null, null], txt: ["[Ljava.lang.String;@436bcc1", "[Ljava.lang.String;@6a776af0"], t: null}
        {id: 4, m: null, d: null, ts: null, tz: null, i4: null, txt: null, t: [45296789000]}"#]],
        expect![[r#"
        {id: 2, m: null, d: [-2147472692, -2147472691, -735160], ts: [9223372036825200000, -9223372036832400000, -63517780800000000], tz: ["infinity", "-infinity", "-0043-03-15T12:00:00.000000Z"], i4: null, txt: null, nm: null, dom: null, t: null}
        {id: 4, m: null, d: null, ts: null, tz: null, i4: null, txt: null, nm: ["a", "b c", null], dom: [1, 2], t: [45296789012]}"#]],
    );
}

#[test]
fn unchanged_toast_values() {
    check(
        "x_toast",
        expect![[r#"
        {id: 1, n: 0, num: {scale: 0, value: x0bfa661344a3c9f17fc26f5b5bd8aad67e8c476e8159d4fe1a1746e68992911742bbfb63d778b1d088ec44d3e225f845bf26f0e4c42182328dbe50ebfdfc9f9884d5119032f2eb75ae3b51068bfd46773ff4959fb6c36844efb81d227fda9822bf59ea6eb7e8a42b39b370f825c3825be222ccf365a2163afcd9044e62ec4db7afc194c3387638bb0dd27e2c9591624d3daf679766e21f82f69f511f8d334ac1a5b9f8477a57b6fadea21b0c27237bb0cd5146e28f32b65989f2637a0f3d928db1d087ba17ce62d1fe9bc0dfe7ec0e99e0a438ff153e11dff7f34c63bd8944e82368052a6aceec434527a659e25de22b41ab5c694d596a0751be155ada65d094e75ffaadf4b16d1fe30165c6dc7125de1f293a6615985affe2f16e69cc1504b2c6bf024a9d65fa91ee94dd970bc4c818563a2e8ffcf9b2b23370fa9adea94c33902911646763149add5b81
        {id: 1, n: 1, num: null, af8: null, ats: null, atz: null, at: null, ab: null, anum: null, am: null}"#]],
        expect![[r#"
        {id: 1, n: 0, num: {scale: 0, value: x0bfa661344a3c9f17fc26f5b5bd8aad67e8c476e8159d4fe1a1746e68992911742bbfb63d778b1d088ec44d3e225f845bf26f0e4c42182328dbe50ebfdfc9f9884d5119032f2eb75ae3b51068bfd46773ff4959fb6c36844efb81d227fda9822bf59ea6eb7e8a42b39b370f825c3825be222ccf365a2163afcd9044e62ec4db7afc194c3387638bb0dd27e2c9591624d3daf679766e21f82f69f511f8d334ac1a5b9f8477a57b6fadea21b0c27237bb0cd5146e28f32b65989f2637a0f3d928db1d087ba17ce62d1fe9bc0dfe7ec0e99e0a438ff153e11dff7f34c63bd8944e82368052a6aceec434527a659e25de22b41ab5c694d596a0751be155ada65d094e75ffaadf4b16d1fe30165c6dc7125de1f293a6615985affe2f16e69cc1504b2c6bf024a9d65fa91ee94dd970bc4c818563a2e8ffcf9b2b23370fa9adea94c33902911646763149add5b81
        {id: 1, n: 1, num: {scale: 0, value: x5f5f646562657a69756d5f756e617661696c61626c655f76616c7565}, af8: [95.0, 95.0, 100.0, 101.0, 98.0, 101.0, 122.0, 105.0, 117.0, 109.0, 95.0, 117.0, 110.0, 97.0, 118.0, 97.0, 105.0, 108.0, 97.0, 98.0, 108.0, 101.0, 95.0, 118.0, 97.0, 108.0, 117.0, 101.0], ats: [95, 95, 100, 101, 98, 101, 122, 105, 117, 109, 95, 117, 110, 97, 118, 97, 105, 108, 97, 98, 108, 101, 95, 118, 97, 108, 117, 101], atz: ["__debezium_unavailable_value"], at: [95, 95, 100, 101, 98, 101, 122, 105, 117, 109, 95, 117, 110, 97, 118, 97, 105, 108, 97, 98, 108, 101, 95, 118, 97, 108, 117, 101], ab: [false, true, false, true, true, true, true, true, false, true, false, true, true, true, true,"#]],
    );
}

#[test]
fn defaults() {
    check(
        "x_default",
        expect![[
            r#"{id: 1, d: 9223372036825200000, j: "a\\b\nc", l: false, p: -2147472692, q: "infinity"}"#
        ]],
        expect![[
            r#"{id: 1, d: 9223372036825200000, j: "a\\b\nc", l: false, p: -2147472692, q: "infinity"}"#
        ]],
    );
}

#[test]
fn a_replica_identity_index_beside_the_primary_key() {
    let golden = Golden::load();
    let keys = |records: &[Record]| {
        let key = |record: &Record| format!("{:02x?}", &record.key.as_ref().unwrap()[5..]);
        records.iter().map(key).collect::<Vec<_>>().join(" ")
    };
    let topic = "p.public.x_index_pk";
    expect!["[02] [02] [00] [00] [02] [04] [00] [00] [06] [00] [00]"]
        .assert_eq(&keys(&golden.records[topic]));
    expect!["[04] [04] [04] [04] [06] [06] [06] [06] [08] [08] [08]"]
        .assert_eq(&keys(&golden.replay().records[topic]));
}

#[test]
fn a_table_name_beyond_ascii() {
    let golden = Golden::load();
    let replayed = golden.replay();
    let topics = |records: &std::collections::BTreeMap<String, Vec<Record>>| {
        let named = records.keys().filter(|topic| topic.starts_with("p.public.x__"));
        named.cloned().collect::<Vec<_>>().join(" ")
    };
    expect!["p.public.x___"].assert_eq(&topics(&golden.records));
    expect!["p.public.x__"].assert_eq(&topics(&replayed.records));
}

#[test]
fn unwritable_values_are_errors_where_debezium_writes_null() {
    let golden = Golden::load();
    let errors: Vec<String> = golden.replay().errors.iter().map(ToString::to_string).collect();
    expect![[r#"
        column ts of public.x_types: the value cannot be written as a number of time since 1970
        column m of public.x_arrays: the value cannot be written as an array whose elements are not null
        column i4 of public.x_arrays: the value cannot be written as an array of one dimension
        column n of public.x_nan: the value cannot be written as a decimal: only finite numbers have one
        column nf of public.x_nan: the value cannot be written as a decimal: only finite numbers have one
        column nf of public.x_nan: the value cannot be written as a decimal: only finite numbers have one"#]]
    .assert_eq(&errors.join("\n"));
}
