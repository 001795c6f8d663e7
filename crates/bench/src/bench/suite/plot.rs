//! Plots of the document.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use super::figures;
use crate::bench::latency::Line;
use crate::bench::round::Round;

const SIZE: (u32, u32) = (720, 360);
const COLORS: [RGBColor; 3] = [
    RGBColor(31, 119, 180),
    RGBColor(44, 160, 44),
    RGBColor(214, 39, 40),
];

/// 99th percentile of the latency by rate, a line for each contestant.
pub(super) fn latencies(path: &Path, lines: &[Line]) -> Result<()> {
    let rates = lines.iter().map(|line| f64::from(line.rate));
    let highest_rate = rates.fold(1.0, f64::max);
    let highest = lines.iter().map(|line| line.p99).fold(1.0, f64::max);
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE).map_err(failed)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(
            "Commit to read_committed consumer, 99th percentile",
            ("sans-serif", 18),
        )
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(50)
        .build_cartesian_2d(0.0..highest_rate * 1.05, 0.0..highest * 1.2)
        .map_err(failed)?;
    chart
        .configure_mesh()
        .x_desc("transactions per second")
        .y_desc("ms")
        .draw()
        .map_err(failed)?;
    let mut names: Vec<&str> = Vec::new();
    for line in lines {
        if !names.contains(&line.contestant.as_str()) {
            names.push(&line.contestant);
        }
    }
    for (name, color) in names.into_iter().zip(COLORS) {
        let points = lines.iter().filter(|line| line.contestant == name);
        let points = points.map(|line| (f64::from(line.rate), line.p99));
        chart
            .draw_series(LineSeries::new(points, color.stroke_width(2)).point_size(3))
            .map_err(failed)?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], color.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK)
        .draw()
        .map_err(failed)?;
    root.present().map_err(failed)
}

/// Seconds of the backlog, a column of points for each contestant.
pub(super) fn backlog(path: &Path, rounds: &[Round]) -> Result<()> {
    let contestants = figures::backlog(rounds);
    let all = contestants
        .iter()
        .flat_map(|(_, seconds)| seconds.iter().copied());
    let highest = all.fold(1.0, f64::max);
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE).map_err(failed)?;
    let mut chart = ChartBuilder::on(&root)
        .caption("Backlog: seconds of each round", ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(50)
        .build_cartesian_2d((0..contestants.len()).into_segmented(), 0.0..highest * 1.1)
        .map_err(failed)?;
    let name = |place: &SegmentValue<usize>| match place {
        SegmentValue::CenterOf(place) => {
            let contestant = contestants.get(*place);
            contestant.map_or_else(String::new, |(name, _)| (*name).to_owned())
        }
        SegmentValue::Exact(_) | SegmentValue::Last => String::new(),
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_label_formatter(&name)
        .y_desc("seconds")
        .draw()
        .map_err(failed)?;
    let [color, ..] = COLORS;
    for (place, (_, seconds)) in contestants.iter().enumerate() {
        let points = seconds.iter();
        let points =
            points.map(|seconds| Circle::new((SegmentValue::CenterOf(place), *seconds), 5, color.filled()));
        chart.draw_series(points).map_err(failed)?;
    }
    root.present().map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("cannot draw a plot: {error}")
}
