//! Plots of the document.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;

use super::figures;
use super::growth::{Dimension, Line as Growth};
use super::latency::Line;
use super::round::Round;

const SIZE: (u32, u32) = (720, 360);
/// Size of a plot of six parts.
const GRID_SIZE: (u32, u32) = (720, 480);
const COLORS: [RGBColor; 6] = [
    RGBColor(31, 119, 180),
    RGBColor(44, 160, 44),
    RGBColor(214, 39, 40),
    RGBColor(148, 103, 189),
    RGBColor(255, 127, 14),
    RGBColor(127, 127, 127),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn area(path: &Path, size: (u32, u32)) -> Result<Area<'_>> {
    let root = SVGBackend::new(path, size).into_drawing_area();
    root.fill(&WHITE).map_err(failed)?;
    Ok(root)
}

/// Name of the plot of the latencies of transactions of so many rows.
pub(super) fn latency_file(rows: u32) -> String {
    match rows {
        1 => "latency.svg".to_owned(),
        rows => format!("latency-{rows}-rows.svg"),
    }
}

/// 99th percentile of the latency by rate, a line for each contestant, of transactions of so many rows.
pub(super) fn latencies(path: &Path, lines: &[Line], rows: u32) -> Result<()> {
    let lines: Vec<&Line> = lines.iter().filter(|line| line.rows == rows).collect();
    let rates = || lines.iter().map(|line| f64::from(line.rate));
    let rates = rates().fold(f64::MAX, f64::min) * 0.8..rates().fold(1.0, f64::max) * 1.25;
    let p99 = || lines.iter().map(|line| line.p99);
    let latencies = p99().fold(10.0, f64::min) * 0.7..p99().fold(100.0, f64::max) * 1.5;
    let root = area(path, SIZE)?;
    let caption =
        format!("Commit to read_committed consumer, 99th percentile, {rows} row(s) per transaction");
    let mut chart = ChartBuilder::on(&root)
        .caption(caption, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(rates.log_scale(), latencies.log_scale())
        .map_err(failed)?;
    chart
        .configure_mesh()
        .x_desc("transactions per second")
        .y_desc("ms")
        .draw()
        .map_err(failed)?;
    let mut names: Vec<&str> = Vec::new();
    for line in &lines {
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
    let contestants = figures::seconds(rounds);
    let names: Vec<&str> = contestants.iter().map(|(name, _)| *name).collect();
    let points = contestants.iter().enumerate();
    let points: Vec<(usize, usize, f64)> = points
        .flat_map(|(place, (_, seconds))| seconds.iter().map(move |seconds| (place, 0, *seconds)))
        .collect();
    columns(
        path,
        "Backlog: seconds of each round",
        "seconds",
        &names,
        &[],
        &points,
    )
}

/// Changes per second of other backlogs, a column for each workload, a color for each contestant.
pub(super) fn workloads(path: &Path, rounds: &[(&'static str, u64, Vec<Round>)]) -> Result<()> {
    let names: Vec<&str> = rounds.iter().map(|(name, ..)| *name).collect();
    let mut contestants: Vec<&str> = Vec::new();
    let mut points = Vec::new();
    for (place, (_, changes, rounds)) in rounds.iter().enumerate() {
        let changes = f64::from(u32::try_from(*changes).unwrap_or(u32::MAX));
        for (name, seconds) in figures::seconds(rounds) {
            let known = contestants.iter().position(|known| *known == name);
            let color = known.unwrap_or_else(|| {
                contestants.push(name);
                contestants.len() - 1
            });
            points.extend(
                seconds
                    .into_iter()
                    .map(|seconds| (place, color, changes / seconds / 1000.0)),
            );
        }
    }
    let caption = "Other backlogs: thousand changes per second";
    columns(
        path,
        caption,
        "thousand changes per second",
        &names,
        &contestants,
        &points,
    )
}

/// Points in columns with these names. A point is its column, its color, and its value; colors without a name are not explained.
fn columns(
    path: &Path,
    caption: &str,
    unit: &str,
    names: &[&str],
    colors: &[&str],
    points: &[(usize, usize, f64)],
) -> Result<()> {
    let highest = points.iter().map(|(_, _, value)| *value).fold(1.0, f64::max);
    let root = area(path, SIZE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(caption, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(50)
        .build_cartesian_2d((0..names.len()).into_segmented(), 0.0..highest * 1.1)
        .map_err(failed)?;
    let name = |place: &SegmentValue<usize>| match place {
        SegmentValue::CenterOf(place) => names
            .get(*place)
            .map_or_else(String::new, |name| (*name).to_owned()),
        SegmentValue::Exact(_) | SegmentValue::Last => String::new(),
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_label_formatter(&name)
        .y_desc(unit)
        .draw()
        .map_err(failed)?;
    for (number, color) in COLORS.into_iter().enumerate() {
        let points = points.iter().filter(|(_, known, _)| *known == number);
        let points = points.map(|(place, _, value)| {
            Circle::new((SegmentValue::CenterOf(*place), *value), 5, color.filled())
        });
        let series = chart.draw_series(points).map_err(failed)?;
        if let Some(name) = colors.get(number) {
            series
                .label(*name)
                .legend(move |(x, y)| Circle::new((x + 10, y), 5, color.filled()));
        }
    }
    if !colors.is_empty() {
        chart
            .configure_series_labels()
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK)
            .draw()
            .map_err(failed)?;
    }
    root.present().map_err(failed)
}

/// Throughput, memory and start by each property that grows: three files of a folder.
pub(super) fn growth(folder: &Path, lines: &[Growth]) -> Result<()> {
    let throughput = |line: &Growth| line.changes_per_second() / 1000.0;
    grid(
        &folder.join("growth-throughput.svg"),
        "thousand changes/s",
        lines,
        throughput,
    )?;
    let memory = |line: &Growth| f64::from(u32::try_from(line.megabytes()).unwrap_or(u32::MAX));
    grid(
        &folder.join("growth-memory.svg"),
        "peak memory, MB",
        lines,
        memory,
    )?;
    grid(&folder.join("growth-start.svg"), "start, s", lines, |line| {
        line.started.as_secs_f64()
    })
}

/// A part for each property, with the values on a logarithmic axis.
fn grid(path: &Path, unit: &str, lines: &[Growth], figure: impl Fn(&Growth) -> f64) -> Result<()> {
    let root = area(path, GRID_SIZE)?;
    let [color, ..] = COLORS;
    for (dimension, part) in Dimension::ALL.into_iter().zip(root.split_evenly((2, 3))) {
        let lines: Vec<&Growth> = lines.iter().filter(|line| line.dimension == dimension).collect();
        let value = |line: &&Growth| f64::from(u32::try_from(line.value).unwrap_or(u32::MAX));
        let (Some(first), Some(last)) = (lines.first().map(value), lines.last().map(value)) else {
            continue;
        };
        let points: Vec<(f64, f64)> = lines.iter().map(|line| (value(line), figure(line))).collect();
        let highest = points.iter().map(|(_, figure)| *figure).fold(0.1, f64::max);
        let mut chart = ChartBuilder::on(&part)
            .caption(
                format!("{unit}, by {}", dimension.description()),
                ("sans-serif", 12),
            )
            .margin(6)
            .x_label_area_size(24)
            .y_label_area_size(36)
            .build_cartesian_2d((first * 0.7..last * 1.5).log_scale(), 0.0..highest * 1.2)
            .map_err(failed)?;
        chart
            .configure_mesh()
            .x_labels(6)
            .y_labels(5)
            .draw()
            .map_err(failed)?;
        chart
            .draw_series(LineSeries::new(points, color.stroke_width(2)).point_size(3))
            .map_err(failed)?;
    }
    root.present().map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("cannot draw a plot: {error}")
}
