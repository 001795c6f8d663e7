//! The graph of files, its circles, and the shortest way around each.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt;

/// A use of one file's item by another file.
#[derive(Clone, Debug)]
pub(super) struct Arrow {
    pub(super) from: String,
    /// The file that defines what is used.
    pub(super) to: String,
    pub(super) line: usize,
    /// The path as it is written.
    pub(super) path: String,
    /// The path names a re-export of the crate's root.
    pub(super) by_root: bool,
}

/// Files of which each reaches each other.
#[derive(Debug)]
pub(super) struct Circle {
    pub(super) files: Vec<String>,
    /// The shortest way around, arrow by arrow.
    pub(super) shortest: Vec<Arrow>,
}

impl fmt::Display for Arrow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by_root = if self.by_root { ", by the crate's root" } else { "" };
        write!(
            f,
            "      {}:{}: {} (defined in {}{by_root})",
            self.from, self.line, self.path, self.to
        )
    }
}

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = self.files.len();
        writeln!(f, "    {files} files use each other; the shortest way around:")?;
        self.shortest
            .iter()
            .try_for_each(|arrow| writeln!(f, "{arrow}"))?;
        if files > self.shortest.len() {
            writeln!(f, "      all of them: {}", self.files.join(", "))?;
        }
        Ok(())
    }
}

type Successors<'a> = BTreeMap<&'a str, BTreeMap<&'a str, &'a Arrow>>;

/// All circles, by the name of their first file.
pub(super) fn circles(arrows: &[Arrow]) -> Vec<Circle> {
    let mut successors = Successors::new();
    for arrow in arrows.iter().filter(|arrow| arrow.from != arrow.to) {
        let of = successors.entry(&arrow.from).or_default();
        of.entry(&arrow.to).or_insert(arrow);
    }
    let reach: HashMap<&str, BTreeSet<&str>> = successors
        .keys()
        .map(|file| (*file, reachable(&successors, file)))
        .collect();
    let reaches = |from: &str, to: &str| reach.get(from).is_some_and(|files| files.contains(to));
    let mut circles = Vec::new();
    let mut done = BTreeSet::new();
    for file in successors.keys() {
        if done.contains(file) || !reaches(file, file) {
            continue;
        }
        let files: Vec<&str> = successors
            .keys()
            .copied()
            .filter(|other| reaches(file, other) && reaches(other, file))
            .collect();
        done.extend(files.iter().copied());
        let ways = files.iter().filter_map(|file| way_around(&successors, file));
        circles.push(Circle {
            shortest: ways.min_by_key(Vec::len).unwrap_or_default(),
            files: files.into_iter().map(str::to_owned).collect(),
        });
    }
    circles
}

fn reachable<'a>(successors: &Successors<'a>, from: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(file) = open.pop() {
        for next in successors.get(file).into_iter().flat_map(BTreeMap::keys) {
            if reached.insert(*next) {
                open.push(next);
            }
        }
    }
    reached
}

/// The shortest way from a file back to itself.
fn way_around(successors: &Successors<'_>, start: &str) -> Option<Vec<Arrow>> {
    let mut ways: VecDeque<Vec<&Arrow>> = VecDeque::from([Vec::new()]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        let file = way.last().map_or(start, |arrow| arrow.to.as_str());
        for (next, arrow) in successors.get(file).into_iter().flatten() {
            let longer = || way.iter().copied().chain([*arrow]);
            if *next == start {
                return Some(longer().cloned().collect());
            }
            if seen.insert(*next) {
                ways.push_back(longer().collect());
            }
        }
    }
    None
}
