//! Compares the changes of one key: two sequences that should be the same.

use std::fmt;

use crate::cell::Cells;
use crate::change_id::ChangeId;
use crate::journal::{Operation, Row};

/// How far ahead a change is looked for when two sequences part. A larger gap is still reported, as lost and extra changes.
const LOOK_AHEAD: usize = 200;

/// A change that the source committed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    pub(super) seq: i64,
    pub(super) operation: Operation,
    pub(super) row: Option<&'a Row>,
}

/// A change that a consumer read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    pub(super) id: ChangeId,
    pub(super) operation: Operation,
    pub(super) row: Option<&'a Cells>,
}

/// A way in which the two part.
#[derive(Clone, Copy, Debug)]
pub(super) enum Difference<'a> {
    Lost(Expected<'a>),
    Extra(Found<'a>),
    Reordered(Found<'a>),
}

impl fmt::Display for Expected<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?} (journal {})", self.operation, self.seq)
    }
}

impl fmt::Display for Found<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?} {}", self.operation, self.id)
    }
}

impl Expected<'_> {
    fn is(&self, found: &Found<'_>) -> bool {
        self.operation == found.operation
            && match (self.row, found.row) {
                (None, None) => true,
                (Some(row), Some(cells)) => row_agrees(row, cells),
                _ => false,
            }
    }
}

/// The same columns, each agreeing.
fn row_agrees(row: &Row, cells: &Cells) -> bool {
    row.len() == cells.len()
        && row.iter().all(|(name, text)| {
            cells
                .get(name)
                .is_some_and(|cell| cell.agrees_with(text.as_deref()))
        })
}

/// All differences, in order. Equal sequences, however long, are compared in one pass.
pub(super) fn differences<'a>(expected: &[Expected<'a>], found: &[Found<'a>]) -> Vec<Difference<'a>> {
    let (mut lost, mut extra) = (Vec::new(), Vec::new());
    let (mut left, mut right) = (expected, found);
    while let ([first, left_rest @ ..], [got, right_rest @ ..]) = (left, right) {
        if first.is(got) {
            (left, right) = (left_rest, right_rest);
            continue;
        }
        let later_expected = left_rest.iter().take(LOOK_AHEAD).position(|later| later.is(got));
        let later_found = right_rest
            .iter()
            .take(LOOK_AHEAD)
            .position(|later| first.is(later));
        match (later_expected, later_found) {
            // The nearer explanation wins: that changes are missing here, or that there are too many.
            (Some(missing), other) if other.is_none_or(|many| missing <= many) => {
                let (missing, rest) = left.split_at(missing + 1);
                lost.extend_from_slice(missing);
                left = rest;
            }
            (_, Some(many)) => {
                let (many, rest) = right.split_at(many + 1);
                extra.extend_from_slice(many);
                right = rest;
            }
            (_, None) => {
                lost.push(*first);
                extra.push(*got);
                (left, right) = (left_rest, right_rest);
            }
        }
    }
    lost.extend_from_slice(left);
    extra.extend_from_slice(right);
    pair_up(lost, extra)
}

/// What is missing in one place and too much in another is in the wrong place.
fn pair_up<'a>(mut lost: Vec<Expected<'a>>, extra: Vec<Found<'a>>) -> Vec<Difference<'a>> {
    let mut differences = Vec::new();
    for found in extra {
        match lost.iter().position(|missing| missing.is(&found)) {
            Some(index) => {
                lost.remove(index);
                differences.push(Difference::Reordered(found));
            }
            None => differences.push(Difference::Extra(found)),
        }
    }
    differences.extend(lost.into_iter().map(Difference::Lost));
    differences
}
