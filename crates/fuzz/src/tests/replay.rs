//! Seeds, and what was found before.

use std::collections::BTreeSet;

use crate::{TARGETS, corpus, seeds};

/// Hands every seed and every kept input of a target to it.
fn replay(target: &str) {
    let (_, check) = TARGETS.into_iter().find(|(name, _)| *name == target).unwrap();
    let seeds = seeds::of(target).unwrap();
    assert!(seeds.len() >= 5, "{} seeds", seeds.len());
    for (name, seed) in seeds {
        eprintln!("seed {name}");
        check(&seed);
    }
    let inputs = corpus::inputs(target).unwrap();
    assert!(inputs.len() >= 10, "{} inputs", inputs.len());
    for (file, data) in inputs {
        eprintln!("{}", file.display());
        check(&data);
    }
}

#[test]
fn condition() {
    replay("condition");
}

#[test]
fn decoder() {
    replay("decoder");
}

#[test]
fn server() {
    replay("server");
}

#[test]
fn copied_row() {
    replay("copied_row");
}

#[test]
fn row() {
    replay("row");
}

#[test]
fn configuration() {
    replay("configuration");
}

#[test]
fn every_corpus_is_that_of_a_target_and_every_target_has_a_binary() {
    let names: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let listed = |folder: &str, end: &str| -> BTreeSet<String> {
        let files = corpus::files(&corpus::package().join(folder)).unwrap();
        let names = files
            .iter()
            .map(|file| file.file_name().unwrap().to_str().unwrap());
        names
            .map(|name| name.strip_suffix(end).unwrap().to_owned())
            .collect()
    };
    assert_eq!(listed("corpus", ""), names);
    assert_eq!(listed("fuzz_targets", ".rs"), names);
}
