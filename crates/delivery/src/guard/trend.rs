//! How fast a figure changes, seen over the looks of the last minutes.

use std::collections::VecDeque;
use std::time::Duration;

/// Fewer looks tell nothing: with five, one that is far off does not move the median of the slopes between them.
const LOOKS_MIN: usize = 5;

/// Five minutes at the default distance: several rounds of the server's own (`restart_lsn` moves about four times a minute).
const LOOKS_MAX: usize = 30;

/// What is older says nothing about now, however far apart the looks are.
const SPAN_MAX: Duration = Duration::from_secs(600);

/// A figure at the looks of the last minutes.
#[derive(Debug, Default)]
pub(super) struct Trend(VecDeque<(Duration, u64)>);

impl Trend {
    /// Notes the figure of a look. `at` is a time since any fixed moment.
    pub(super) fn note(&mut self, at: Duration, value: u64) {
        self.0.push_back((at, value));
        let is_old = |(first, _): &(Duration, u64)| at.saturating_sub(*first) > SPAN_MAX;
        while self.0.len() > LOOKS_MAX || (self.0.len() > LOOKS_MIN && self.0.front().is_some_and(is_old)) {
            self.0.pop_front();
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Change in a second: the median of the slopes between any two looks (Theil and Sen). The figure may climb and fall back
    /// in teeth, and single looks may be far off; `None`: there were too few.
    pub(super) fn per_second(&self) -> Option<f64> {
        if self.0.len() < LOOKS_MIN {
            return None;
        }
        let pairs = (self.0.iter().enumerate())
            .flat_map(|(index, earlier)| self.0.iter().skip(index + 1).map(move |later| (earlier, later)));
        let mut slopes: Vec<f64> = pairs
            .filter_map(|(earlier, later)| slope(*earlier, *later))
            .collect();
        slopes.sort_by(f64::total_cmp);
        let middle = slopes.len() / 2;
        let upper = slopes.get(middle)?;
        if slopes.len() % 2 == 1 {
            return Some(*upper);
        }
        let lower = middle.checked_sub(1).and_then(|below| slopes.get(below))?;
        Some(f64::midpoint(*lower, *upper))
    }

    /// Change in a second from the first look to the last, whatever was between; `None`: there were no two.
    pub(super) fn mean_per_second(&self) -> Option<f64> {
        slope(*self.0.front()?, *self.0.back()?)
    }
}

/// `None`: no time lies between them.
fn slope((from, before): (Duration, u64), (to, after): (Duration, u64)) -> Option<f64> {
    let seconds = to.checked_sub(from)?.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let change = if after >= before {
        (after - before) as f64
    } else {
        -((before - after) as f64)
    };
    (seconds > 0.0).then(|| change / seconds)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One look every ten seconds.
    fn trend(values: impl IntoIterator<Item = u64>) -> Trend {
        let mut trend = Trend::default();
        for (index, value) in (0..).zip(values) {
            trend.note(Duration::from_secs(index * 10), value);
        }
        trend
    }

    #[test]
    fn a_steady_change_is_told_from_the_fifth_look_on() {
        assert_eq!(trend([500, 400, 300, 200]).per_second(), None);
        assert_eq!(trend([500, 400, 300, 200, 100]).per_second(), Some(-10.0));
        assert_eq!(trend([7; 9]).per_second(), Some(0.0));
        assert_eq!(trend([1, 1, 1, 101]).mean_per_second(), Some(100.0 / 30.0));
        assert_eq!(trend([1]).mean_per_second(), None);
    }

    #[test]
    fn teeth_are_no_change() {
        // 1000 bytes a second are written, and what is needed of them moves on twice a minute.
        let room = |look: u64| 1_000_000 - look % 3 * 10_000;
        let slope = trend((0..30).map(room)).per_second().unwrap();
        assert!(slope.abs() < 50.0, "{slope}");
    }

    #[test]
    fn what_was_long_ago_is_forgotten() {
        let rising = (0..LOOKS_MAX as u64).map(|look| look * 1000);
        let resting = std::iter::repeat_n(29_000, LOOKS_MAX);
        assert_eq!(trend(rising.chain(resting)).per_second(), Some(0.0));
        // An hour between two looks.
        let mut slow = Trend::default();
        for look in 0..20 {
            slow.note(Duration::from_secs(look * 3600), look);
        }
        assert_eq!(slow.0.len(), LOOKS_MIN);
    }

    proptest! {
        #[test]
        fn one_look_that_is_off_does_not_move_it(
            looks in LOOKS_MIN..LOOKS_MAX,
            step in 0u64..1_000_000,
            odd in 0usize..LOOKS_MAX,
            value: u32,
        ) {
            let mut values: Vec<u64> = (1..=looks as u64).map(|look| 1_000_000_000 - look * step).collect();
            let odd = odd % looks;
            values[odd] = u64::from(value);
            let told = trend(values).per_second().unwrap();
            let expected = -(step as f64) / 10.0;
            prop_assert!((told - expected).abs() < 0.001, "{told} {expected}");
        }

        #[test]
        fn it_lies_between_the_slowest_and_the_fastest(values in proptest::collection::vec(any::<u64>(), 5..60)) {
            let told = trend(values.clone()).per_second().unwrap();
            let shown = values.len().min(LOOKS_MAX);
            let steps: Vec<f64> = values[values.len() - shown..]
                .windows(2)
                .map(|pair| (pair[1] as f64 - pair[0] as f64) / 10.0)
                .collect();
            let slowest = steps.iter().copied().fold(f64::INFINITY, f64::min);
            let fastest = steps.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let margin = 1e-9 * slowest.abs().max(fastest.abs());
            prop_assert!(told >= slowest - margin && told <= fastest + margin);
        }
    }
}
