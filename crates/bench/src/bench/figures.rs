//! Figures that follow from others.

use super::connector::Drained;
use super::report::contestants;
use super::round::Round;

/// Name of the raw stream, as in the document.
pub(super) const RAW: &str = "raw stream";

/// Median; of an even number of figures the higher one.
pub(super) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A figure of each contestant, round by round. The raw stream is no contestant.
pub(super) fn by_contestant(
    rounds: &[Round],
    figure: impl Fn(&Round, &Drained) -> f64,
) -> Vec<(&'static str, Vec<f64>)> {
    let mut found: Vec<(&'static str, Vec<f64>)> = Vec::new();
    for round in rounds {
        for (name, drained) in contestants(round) {
            let figure = figure(round, drained);
            match found.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => known.push(figure),
                None => found.push((name, vec![figure])),
            }
        }
    }
    found
}

/// Seconds of the raw stream and of each contestant, round by round.
pub(super) fn seconds(rounds: &[Round]) -> Vec<(&'static str, Vec<f64>)> {
    let raw = rounds.iter().map(Round::raw_seconds).collect();
    let others = by_contestant(rounds, |_, drained| drained.elapsed.as_secs_f64());
    std::iter::once((RAW, raw)).chain(others).collect()
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
