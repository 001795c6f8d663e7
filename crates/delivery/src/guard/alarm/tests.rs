use proptest::prelude::*;

use super::*;
use crate::Limit;

const HOUR: Duration = Duration::from_secs(3600);

fn outlook(share: f64, left_seconds: Option<u64>) -> Outlook {
    Outlook {
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

/// What is said at each of these looks.
fn said(looks: &[(f64, Option<u64>)]) -> String {
    let mut alarm = Alarm::default();
    let word = |(share, left): &(f64, Option<u64>)| match alarm.judge(&outlook(*share, *left), HOUR) {
        Some(Say::Near) => 'N',
        Some(Say::Over) => 'O',
        None => '.',
    };
    looks.iter().map(word).collect()
}

#[test]
fn it_is_said_once_and_again_when_half_of_the_time_is_gone() {
    let seconds = [
        7200, 3601, 3599, 3000, 1900, 1799, 1700, 899, 449, 224, 112, 56, 30, 10, 0,
    ];
    let looks = seconds.map(|left| (0.9, Some(left)));
    assert_eq!(said(&looks), "..N..N.NNNNN...");
}

#[test]
fn it_is_said_when_little_is_left_whatever_the_rate() {
    let looks = [0.5, 0.21, 0.19, 0.15, 0.11, 0.09, 0.04, 0.0].map(|share| (share, None));
    assert_eq!(said(&looks), "..N..NNN");
}

#[test]
fn what_gets_better_and_worse_again_is_not_said_again() {
    let looks = [3000, 4000, 3000, 5000, 3500, 1000, 3000, 1000].map(|left| (0.9, Some(left)));
    assert_eq!(said(&looks), "N....N..");
}

#[test]
fn it_is_over_when_it_has_been_far_away_for_a_while() {
    let near = (0.9, Some(1000));
    let (far, almost) = ((0.9, None), (0.22, None));
    let looks = [
        near, far, far, far, far, far, near, far, far, far, almost, far, far, far, far, far, far, far, near,
    ];
    assert_eq!(said(&looks), "N...............O.N");
}

#[test]
fn without_notice_nothing_is_said() {
    let mut alarm = Alarm::default();
    assert_eq!(alarm.judge(&outlook(0.0, Some(0)), Duration::ZERO), None);
}

#[test]
fn a_timeout_is_near_when_half_of_it_is_gone() {
    let minutes = |left| Outlook {
        limit: Limit::IdleTimeout,
        extent: Extent::Time(Duration::from_secs(600)),
        share: f64::from(left) / 600.0,
        left: Some(Duration::from_secs(u64::from(left))),
        outage: None,
    };
    let mut alarm = Alarm::default();
    assert_eq!(alarm.judge(&minutes(301u32), HOUR), None);
    assert_eq!(alarm.judge(&minutes(299), HOUR), Some(Say::Near));
}

proptest! {
    /// Whatever happens, no more is said between two ends than there are levels, and an end is one of something.
    #[test]
    fn nobody_is_flooded(looks in proptest::collection::vec((0.0f64..1.0, proptest::option::of(0u64..8000)), 0..300)) {
        let said = said(&looks);
        for spell in said.split('O') {
            prop_assert!(spell.matches('N').count() <= usize::from(LEVEL_MAX), "{said}");
        }
        prop_assert!(said.matches('O').count() <= said.matches('N').count(), "{said}");
        // Something that is near is always said by then.
        if looks.first().is_some_and(|(share, left)| *share < NEAR_SHARE || left.is_some_and(|left| left < 3600)) {
            prop_assert!(said.starts_with('N'), "{said}");
        }
    }
}
