//! Figures that follow from others.

use crate::bench::round::Round;

/// Name of the raw stream and of walcast, as in the document.
pub(super) const RAW: &str = "raw stream";
pub(super) const WALCAST: &str = "walcast, exactly once";

/// Median; of an even number of figures the higher one.
pub(super) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Seconds of each contestant, round by round.
pub(super) fn backlog(rounds: &[Round]) -> Vec<(&'static str, Vec<f64>)> {
    let mut contestants: Vec<(&'static str, Vec<f64>)> = Vec::new();
    for round in rounds {
        let mut figures = vec![
            (RAW, round.raw_seconds()),
            (WALCAST, round.walcast.elapsed.as_secs_f64()),
        ];
        let peers = round.peers.iter();
        figures.extend(peers.map(|(name, drained)| (*name, drained.elapsed.as_secs_f64())));
        for (name, seconds) in figures {
            match contestants.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => known.push(seconds),
                None => contestants.push((name, vec![seconds])),
            }
        }
    }
    contestants
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn median_is_a_figure_that_was_measured() {
        for (figures, expected) in [
            (vec![3.0, 1.0, 2.0], 2.0),
            (vec![4.0, 1.0, 3.0, 2.0], 3.0),
            (vec![5.0], 5.0),
        ] {
            assert!((median(figures) - expected).abs() < f64::EPSILON);
        }
        assert!(median(Vec::new()).is_nan());
    }
}
