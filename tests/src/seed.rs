//! Random choices that can be repeated.

use std::time::{SystemTime, UNIX_EPOCH};

/// The seed of a run without `WALCAST_SEED`: the gate plays the same choices each time, so that a failure concerns the change.
const SEED_DEFAULT: u64 = 20_250_101;

/// The seed that a run's choices follow from: the number in `WALCAST_SEED`, one from the clock for `WALCAST_SEED=random`,
/// or always the same one. It is printed, to be given again.
///
/// # Panics
/// When `WALCAST_SEED` is neither.
pub fn seed() -> u64 {
    let given = std::env::var("WALCAST_SEED").ok();
    let seed = chosen(given.as_deref());
    eprintln!("seed: WALCAST_SEED={seed}");
    seed
}

fn chosen(given: Option<&str>) -> u64 {
    match given {
        None | Some("") => SEED_DEFAULT,
        Some("random") => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            u64::from(now.subsec_nanos())
        }
        Some(number) => number
            .parse()
            .unwrap_or_else(|_| panic!("WALCAST_SEED={number} is neither a number nor the word random")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_same_unless_another_one_is_given() {
        assert_eq!(chosen(None), chosen(Some("")));
        assert_eq!(chosen(Some("4711")), 4711);
        assert!(chosen(Some("random")) < 1_000_000_000);
    }
}
