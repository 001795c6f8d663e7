//! Random numbers determined by a seed.

use std::cell::Cell;
use std::rc::Rc;

/// xorshift64*: the same numbers on every platform and in every version, so that a seed stays valid. All parts of a run share
/// one generator.
#[derive(Clone)]
pub(crate) struct Dice(Rc<Cell<u64>>);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Rc::new(Cell::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)))
    }

    /// A number below `sides`.
    pub(crate) fn roll(&self, sides: u64) -> u64 {
        let mut state = self.0.get();
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        self.0.set(state);
        (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % sides
    }

    /// A number below `sides`, for sizes.
    pub(crate) fn count(&self, sides: usize) -> usize {
        let sides = u64::try_from(sides).expect("dice here are small");
        usize::try_from(self.roll(sides)).expect("dice here are small")
    }

    /// True with probability 1/`sides`.
    pub(crate) fn one_in(&self, sides: u64) -> bool {
        self.roll(sides) == 0
    }

    pub(crate) fn pick<'c, T>(&self, choices: &'c [T]) -> &'c T {
        &choices[self.count(choices.len())]
    }
}
