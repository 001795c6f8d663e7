use proptest::prelude::*;

use super::*;
use crate::slot_monitor::forecast::Limit;

const HOUR: Duration = Duration::from_secs(3600);

fn outlook(share: f64, left_seconds: Option<u64>) -> LimitForecast {
    LimitForecast {
        limit: Limit::KeepSize,
        extent: Extent::Bytes {
            limit: 1000,
            room: 500,
        },
        share,
        left: left_seconds.map(Duration::from_secs),
        outage: None,
    }
}

/// Alarm changes at each of these samples.
fn changes(samples: &[(f64, Option<u64>)]) -> String {
    let mut alarm = Alarm::default();
    let word = |(share, left): &(f64, Option<u64>)| match alarm.judge(&outlook(*share, *left), HOUR) {
        Some(AlarmChange::Near) => 'N',
        Some(AlarmChange::Cleared) => 'O',
        None => '.',
    };
    samples.iter().map(word).collect()
}

#[test]
fn warns_once_and_again_at_each_halving_of_the_time() {
    let seconds = [
        7200, 3601, 3599, 3000, 1900, 1799, 1700, 899, 449, 224, 112, 56, 30, 10, 0,
    ];
    let samples = seconds.map(|left| (0.9, Some(left)));
    assert_eq!(changes(&samples), "..N..N.NNNNN...");
}

#[test]
fn warns_at_a_small_share_whatever_the_rate() {
    let samples = [0.5, 0.21, 0.19, 0.15, 0.11, 0.09, 0.04, 0.0].map(|share| (share, None));
    assert_eq!(changes(&samples), "..N..NNN");
}

#[test]
fn does_not_repeat_a_warning_after_a_short_recovery() {
    let samples = [3000, 4000, 3000, 5000, 3500, 1000, 3000, 1000].map(|left| (0.9, Some(left)));
    assert_eq!(changes(&samples), "N....N..");
}

#[test]
fn clears_after_enough_consecutive_clear_samples() {
    let near = (0.9, Some(1000));
    let (far, almost) = ((0.9, None), (0.22, None));
    let samples = [
        near, far, far, far, far, far, near, far, far, far, almost, far, far, far, far, far, far, far, near,
    ];
    assert_eq!(changes(&samples), "N...............O.N");
}

#[test]
fn a_warning_time_of_zero_disables_warnings() {
    let mut alarm = Alarm::default();
    assert_eq!(alarm.judge(&outlook(0.0, Some(0)), Duration::ZERO), None);
}

#[test]
fn warns_of_a_short_timeout_at_its_half() {
    let minutes = |left| LimitForecast {
        limit: Limit::IdleTimeout,
        extent: Extent::Time(Duration::from_secs(600)),
        share: f64::from(left) / 600.0,
        left: Some(Duration::from_secs(u64::from(left))),
        outage: None,
    };
    let mut alarm = Alarm::default();
    assert_eq!(alarm.judge(&minutes(301u32), HOUR), None);
    assert_eq!(alarm.judge(&minutes(299), HOUR), Some(AlarmChange::Near));
}

proptest! {
    /// Between two clearings there are at most as many warnings as levels, and each clearing follows a warning.
    #[test]
    fn the_number_of_warnings_is_bounded(samples in proptest::collection::vec((0.0f64..1.0, proptest::option::of(0u64..8000)), 0..300)) {
        let changes = changes(&samples);
        for period in changes.split('O') {
            prop_assert!(period.matches('N').count() <= usize::from(LEVEL_MAX), "{changes}");
        }
        prop_assert!(changes.matches('O').count() <= changes.matches('N').count(), "{changes}");
        // A limit that is near at the first sample is always warned of at once.
        if samples.first().is_some_and(|(share, left)| *share < NEAR_SHARE || left.is_some_and(|left| left < 3600)) {
            prop_assert!(changes.starts_with('N'), "{changes}");
        }
    }
}
