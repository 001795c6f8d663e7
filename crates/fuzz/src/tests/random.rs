//! Random bytes, and random changes of seeds and kept inputs.

use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::{Check, TARGETS, corpus, seeds};

/// One byte is put in, taken out or replaced, or the rest is cut off.
#[derive(Clone, Debug)]
enum Edit {
    In(Index, u8),
    Out(Index),
    Over(Index, u8),
    Cut(Index),
}

/// A target, its seeds and its kept inputs.
struct Target {
    check: Check,
    inputs: Vec<Vec<u8>>,
}

static ALL: LazyLock<Vec<Target>> = LazyLock::new(|| {
    let target = |(name, check): (&str, Check)| {
        let seeds = seeds::of(name).unwrap().into_iter().map(|(_, seed)| seed);
        let kept = corpus::inputs(name).unwrap().into_iter().map(|(_, input)| input);
        let inputs = seeds.chain(kept).collect();
        Target { check, inputs }
    };
    TARGETS.map(target).into()
});

/// Bytes that mean something somewhere, more often than others.
fn a_byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        select(b"0123456789+-.,:/\\\"{}[]()<>= TZeENBCxn\x00\xff".to_vec()),
        any::<u8>()
    ]
}

fn an_edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => (any::<Index>(), a_byte()).prop_map(|(place, byte)| Edit::In(place, byte)),
        4 => any::<Index>().prop_map(Edit::Out),
        4 => (any::<Index>(), a_byte()).prop_map(|(place, byte)| Edit::Over(place, byte)),
        1 => any::<Index>().prop_map(Edit::Cut),
    ]
}

fn edit(data: &mut Vec<u8>, edit: &Edit) {
    match edit {
        Edit::In(place, byte) => data.insert(place.index(data.len() + 1), *byte),
        Edit::Cut(place) => data.truncate(place.index(data.len() + 1)),
        Edit::Out(_) | Edit::Over(..) if data.is_empty() => {}
        Edit::Out(place) => drop(data.remove(place.index(data.len()))),
        Edit::Over(place, byte) => {
            let place = place.index(data.len());
            data[place] = *byte;
        }
    }
}

proptest! {
    // What fails is a finding of its target, and is kept in its corpus.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(20_000) })]

    #[test]
    fn properties_hold_for_any_change_of_an_input(
        target in 0..TARGETS.len(),
        input in any::<Index>(),
        edits in vec(an_edit(), 0..6),
    ) {
        let target = &ALL[target];
        let mut data = input.get(&target.inputs).clone();
        edits.iter().for_each(|change| edit(&mut data, change));
        (target.check)(&data);
    }

    #[test]
    fn properties_hold_for_any_bytes(target in 0..TARGETS.len(), data in vec(any::<u8>(), 0..512)) {
        (ALL[target].check)(&data);
    }
}
