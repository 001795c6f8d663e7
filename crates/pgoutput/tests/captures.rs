//! Messages captured from real servers: `testdata/README.md` says how.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue fails")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use expect_test::expect_file;
use walcast_pgoutput::{Decoder, Lsn, Xid, encode};

/// Decodes a capture, compares what it says with the text file beside it, and encodes it back to the same bytes.
/// Answers with the tags of the messages.
fn check(name: &str) -> BTreeSet<char> {
    let mut decoder = Decoder::new();
    let mut shown = String::new();
    let mut tags = BTreeSet::new();
    for captured in capture(name) {
        let message = decoder
            .decode(&captured.message)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        shown.push_str(&format!("{} {} {message:?}\n", captured.lsn, captured.xid));

        let mut encoded = Vec::new();
        encode::message(&message, &mut encoded);
        assert_eq!(
            encoded, captured.message,
            "{name}: {message:?} is not encoded as it was captured"
        );
        tags.extend(captured.message.first().map(|tag| char::from(*tag)));
    }
    expect_file![testdata(&format!("{name}.txt"))].assert_eq(&shown);
    tags
}

struct Captured {
    lsn: Lsn,
    xid: Xid,
    message: Vec<u8>,
}

fn capture(name: &str) -> Vec<Captured> {
    let text = std::fs::read_to_string(testdata(&format!("{name}.frames"))).unwrap();
    let captured = |line: &str| {
        let [lsn, xid, digits] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        Captured {
            lsn: lsn.parse().unwrap(),
            xid: xid.parse().unwrap(),
            message: from_hexadecimal(digits),
        }
    };
    text.lines().map(captured).collect()
}

fn testdata(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(file)
}

fn from_hexadecimal(digits: &str) -> Vec<u8> {
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

/// Checks every capture of one script: they must all be there, and each must hold these messages.
fn check_all(script: &str, servers: &[&str], expected_tags: &str) {
    let expected: BTreeSet<String> = servers
        .iter()
        .map(|server| format!("{script}-{server}"))
        .collect();
    let present: BTreeSet<String> = std::fs::read_dir(testdata(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|file| file.strip_suffix(".frames").map(str::to_owned))
        .filter(|name| name.starts_with(script))
        .collect();
    assert_eq!(present, expected, "captures made with {script}.sql");
    for name in expected {
        assert_eq!(check(&name), expected_tags.chars().collect(), "{name}");
    }
}

#[test]
fn rows_of_every_server() {
    check_all("rows", &["12", "14", "17", "18"], "BORYIUDTC");
}

#[test]
fn logical_messages_and_binary_values() {
    check_all("messages", &["14", "17", "18"], "BMRYIUDC");
}

#[test]
fn transactions_in_progress() {
    check_all("stream", &["v2-14", "v4-17", "v2-18", "v4-18"], "BCSEcAOMRYIUDT");
}

#[test]
fn an_abort_without_a_block() {
    check_all("stray_abort", &["18"], "ABRIC");
}

#[test]
fn prepared_transactions() {
    check_all("two_phase", &["v3-17", "v4-18"], "bPKrpSERI");
}
