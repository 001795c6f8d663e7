//! Rate of change of a value over the samples of the last minutes.

use std::collections::VecDeque;
use std::time::Duration;

/// Minimum number of samples: with five, a single outlier does not move the median of the slopes between them.
const SAMPLES_MIN: usize = 5;

/// Maximum number of samples: five minutes at the default interval, which is several rounds of the server
/// (`restart_lsn` moves about four times a minute).
const SAMPLES_MAX: usize = 30;

/// Maximum age of a sample: older ones say nothing about the current rate, however far apart the samples are.
const SPAN_MAX: Duration = Duration::from_secs(600);

/// Samples of a value over the last minutes.
#[derive(Debug, Default)]
pub(super) struct Trend(VecDeque<(Duration, u64)>);

impl Trend {
    /// Adds a sample. `at`: time since a fixed moment.
    pub(super) fn add(&mut self, at: Duration, value: u64) {
        self.0.push_back((at, value));
        let is_old = |(first, _): &(Duration, u64)| at.saturating_sub(*first) > SPAN_MAX;
        while self.0.len() > SAMPLES_MAX || (self.0.len() > SAMPLES_MIN && self.0.front().is_some_and(is_old))
        {
            self.0.pop_front();
        }
    }

    /// Forgets all samples.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Change per second: the median of the slopes between any two samples (Theil-Sen estimator). The value may follow
    /// a sawtooth, and single samples may be outliers; `None`: too few samples.
    pub(super) fn per_second(&self) -> Option<f64> {
        if self.0.len() < SAMPLES_MIN {
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

    /// Change per second from the first sample to the last, whatever lies between; `None`: fewer than two samples.
    pub(super) fn mean_per_second(&self) -> Option<f64> {
        slope(*self.0.front()?, *self.0.back()?)
    }
}

/// Slope between two samples; `None`: no time lies between them.
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

    /// Trend of samples ten seconds apart.
    fn trend(values: impl IntoIterator<Item = u64>) -> Trend {
        let mut trend = Trend::default();
        for (index, value) in (0..).zip(values) {
            trend.add(Duration::from_secs(index * 10), value);
        }
        trend
    }

    #[test]
    fn a_steady_change_has_a_rate_from_the_fifth_sample_on() {
        assert_eq!(trend([500, 400, 300, 200]).per_second(), None);
        assert_eq!(trend([500, 400, 300, 200, 100]).per_second(), Some(-10.0));
        assert_eq!(trend([7; 9]).per_second(), Some(0.0));
        assert_eq!(trend([1, 1, 1, 101]).mean_per_second(), Some(100.0 / 30.0));
        assert_eq!(trend([1]).mean_per_second(), None);
    }

    #[test]
    fn a_sawtooth_is_no_change() {
        // 1000 bytes a second are written, and `restart_lsn` moves twice a minute.
        let room = |sample: u64| 1_000_000 - sample % 3 * 10_000;
        let slope = trend((0..30).map(room)).per_second().unwrap();
        assert!(slope.abs() < 50.0, "{slope}");
    }

    #[test]
    fn old_samples_are_forgotten() {
        let rising = (0..SAMPLES_MAX as u64).map(|sample| sample * 1000);
        let resting = std::iter::repeat_n(29_000, SAMPLES_MAX);
        assert_eq!(trend(rising.chain(resting)).per_second(), Some(0.0));
        // One hour between two samples.
        let mut slow = Trend::default();
        for sample in 0..20 {
            slow.add(Duration::from_secs(sample * 3600), sample);
        }
        assert_eq!(slow.0.len(), SAMPLES_MIN);
    }

    proptest! {
        #[test]
        fn one_outlier_does_not_move_the_rate(
            samples in SAMPLES_MIN..SAMPLES_MAX,
            step in 0u64..1_000_000,
            odd in 0usize..SAMPLES_MAX,
            value: u32,
        ) {
            let mut values: Vec<u64> = (1..=samples as u64).map(|sample| 1_000_000_000 - sample * step).collect();
            let odd = odd % samples;
            values[odd] = u64::from(value);
            let rate = trend(values).per_second().unwrap();
            let expected = -(step as f64) / 10.0;
            prop_assert!((rate - expected).abs() < 0.001, "{rate} {expected}");
        }

        #[test]
        fn the_rate_lies_between_the_slowest_and_the_fastest_step(values in proptest::collection::vec(any::<u64>(), 5..60)) {
            let rate = trend(values.clone()).per_second().unwrap();
            let shown = values.len().min(SAMPLES_MAX);
            let steps: Vec<f64> = values[values.len() - shown..]
                .windows(2)
                .map(|pair| (pair[1] as f64 - pair[0] as f64) / 10.0)
                .collect();
            let slowest = steps.iter().copied().fold(f64::INFINITY, f64::min);
            let fastest = steps.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let margin = 1e-9 * slowest.abs().max(fastest.abs());
            prop_assert!(rate >= slowest - margin && rate <= fastest + margin);
        }
    }
}
