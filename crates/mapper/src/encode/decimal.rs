//! Exact numbers: conversion of decimal text to the shortest two's complement, big endian.

use crate::connect::{ConnectSchema, DECIMAL, DECIMAL_PRECISION, DECIMAL_SCALE, Kind};
use crate::encode::number;
use crate::encode::value_error::ValueError;
use crate::format::Format;

/// Field of Debezium's record of a decimal: digits after the decimal point.
const SCALE: &str = "scale";
/// Field of Debezium's record of a decimal: the unscaled number.
const VALUE: &str = "value";

/// Memory for the conversion of large numbers, kept between values.
#[derive(Debug, Default)]
pub(super) struct Limbs {
    /// Base 2^32, least significant first.
    limbs: Vec<u32>,
    digits: Vec<u8>,
    bytes: Vec<u8>,
}

/// Appends a number with exactly `scale` digits after the decimal point.
pub(super) fn fixed<F: Format>(
    text: &[u8],
    scale: usize,
    limbs: &mut Limbs,
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    let parts = Parts::split(text).ok_or(ValueError::Value("a decimal: only finite numbers have one"))?;
    let (kept, cut) = parts.fraction.split_at(parts.fraction.len().min(scale));
    if cut.iter().any(|digit| *digit != b'0') {
        return Err(ValueError::Value("a decimal of the column's scale"));
    }
    let unscaled = Unscaled {
        negative: parts.negative,
        whole: parts.whole,
        fraction: kept,
        zeros: scale - kept.len(),
    };
    unscaled.with_bytes(limbs, |unscaled| F::decimal(text, unscaled, out))
}

/// Appends a scale and an unscaled number, with the smallest scale that represents the value.
pub(super) fn variable<F: Format>(
    text: &[u8],
    limbs: &mut Limbs,
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    let parts = Parts::split(text).ok_or(ValueError::Value("a decimal: only finite numbers have one"))?;
    let kept = parts
        .fraction
        .iter()
        .rposition(|digit| *digit != b'0')
        .map_or(0, |last| last + 1);
    let fraction = parts.fraction.get(..kept).unwrap_or_default();
    let scale = i64::try_from(fraction.len()).map_err(|_| ValueError::Value("a decimal"))?;
    let unscaled = Unscaled {
        negative: parts.negative,
        whole: parts.whole,
        fraction,
        zeros: 0,
    };
    F::begin_record(out);
    F::field(SCALE, out);
    F::integer(scale, out);
    F::field(VALUE, out);
    unscaled.with_bytes(limbs, |bytes| F::bytes(bytes.len(), bytes.iter().copied(), out))?;
    F::end_record(out);
    Ok(())
}

/// Parts of a finite `numeric` in the server's text form.
pub(super) struct Parts<'a> {
    negative: bool,
    whole: &'a [u8],
    /// Digits after the decimal point.
    pub(super) fraction: &'a [u8],
}

impl<'a> Parts<'a> {
    pub(super) fn split(text: &'a [u8]) -> Option<Self> {
        let (negative, rest) = match text {
            [b'-', rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        let point = rest.iter().position(|byte| *byte == b'.');
        let (whole, fraction) = match point {
            Some(point) => (rest.get(..point)?, rest.get(point + 1..)?),
            None => (rest, [].as_slice()),
        };
        let plain = whole.iter().chain(fraction).all(u8::is_ascii_digit) && whole.len() + fraction.len() > 0;
        plain.then_some(Self {
            negative,
            whole,
            fraction,
        })
    }
}

/// Digits of a number without its decimal point.
struct Unscaled<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    /// Number of zeros after the fraction.
    zeros: usize,
}

impl Unscaled<'_> {
    /// Passes the number to `write` in two's complement, big endian.
    #[inline]
    fn with_bytes(&self, limbs: &mut Limbs, write: impl FnOnce(&[u8])) -> Result<(), ValueError> {
        let digit_count = self.whole.len() + self.fraction.len() + self.zeros;
        if digit_count <= SMALL_DIGITS_MAX {
            let bytes = self.small().to_be_bytes();
            write(without_redundant_bytes(&bytes));
            return Ok(());
        }
        limbs.digits.clear();
        limbs.digits.extend_from_slice(self.whole);
        limbs.digits.extend_from_slice(self.fraction);
        limbs.digits.resize(digit_count, b'0');
        limbs.convert(self.negative)?;
        write(&limbs.bytes);
        Ok(())
    }

    fn small(&self) -> i64 {
        let digits = self
            .whole
            .iter()
            .chain(self.fraction)
            .map(|byte| i64::from(byte - b'0'));
        let zeros = std::iter::repeat_n(0, self.zeros);
        let magnitude = digits
            .chain(zeros)
            .fold(0i64, |number, digit| number * 10 + digit);
        if self.negative { -magnitude } else { magnitude }
    }
}

/// Eighteen nines fit an `i64`.
const SMALL_DIGITS_MAX: usize = 18;

/// Removes leading bytes that only repeat the sign bit of the next byte.
fn without_redundant_bytes(bytes: &[u8; 8]) -> &[u8] {
    let redundant = bytes.windows(2).take_while(|pair| match pair {
        [0xFF, second] => second & 0x80 != 0,
        [0x00, second] => second & 0x80 == 0,
        _ => false,
    });
    bytes.get(redundant.count()..).unwrap_or_default()
}

impl Limbs {
    /// Converts `self.digits` to `self.bytes`.
    fn convert(&mut self, negative: bool) -> Result<(), ValueError> {
        self.limbs.clear();
        let head = self.digits.len() % CHUNK_DIGITS;
        let (first, rest) = self.digits.split_at(head);
        for chunk in std::iter::once(first)
            .filter(|first| !first.is_empty())
            .chain(rest.chunks(CHUNK_DIGITS))
        {
            let chunk = number::parse_digits(chunk).ok_or(ValueError::Value("a decimal"))?;
            multiply_add(&mut self.limbs, chunk);
        }
        self.bytes.clear();
        if negative && !self.limbs.is_empty() {
            // Two's complement: subtract one, invert all bits.
            subtract_one(&mut self.limbs);
            self.bytes
                .extend(self.limbs.iter().rev().flat_map(|limb| (!limb).to_be_bytes()));
            trim(&mut self.bytes, 0xFF);
        } else {
            self.bytes
                .extend(self.limbs.iter().rev().flat_map(|limb| limb.to_be_bytes()));
            trim(&mut self.bytes, 0x00);
        }
        Ok(())
    }
}

/// Digits converted at a time: nine nines fit a limb.
const CHUNK_DIGITS: usize = 9;
/// Ten to the power of [`CHUNK_DIGITS`].
const CHUNK_BASE: u64 = 1_000_000_000;

fn multiply_add(limbs: &mut Vec<u32>, chunk: u64) {
    let mut carry = chunk;
    for limb in limbs.iter_mut() {
        let sum = u64::from(*limb) * CHUNK_BASE + carry;
        *limb = low_half(sum);
        carry = sum >> 32;
    }
    if carry > 0 {
        limbs.push(low_half(carry));
    }
}

fn low_half(value: u64) -> u32 {
    u32::try_from(value & u64::from(u32::MAX)).expect("32 bits were kept")
}

/// Subtracts one from a number above zero.
fn subtract_one(limbs: &mut [u32]) {
    for limb in limbs {
        let (less, borrowed) = limb.overflowing_sub(1);
        *limb = less;
        if !borrowed {
            break;
        }
    }
}

/// Removes redundant leading bytes; the first bit of the rest is still the sign, and at least one byte remains.
fn trim(bytes: &mut Vec<u8>, sign: u8) {
    let start = bytes.iter().take_while(|byte| **byte == sign).count();
    let sign_kept = bytes.get(start).is_some_and(|byte| (byte ^ sign) & 0x80 == 0);
    if sign_kept {
        bytes.drain(..start);
    } else if start > 0 {
        bytes.drain(..start - 1);
    } else {
        bytes.insert(0, sign);
    }
}

/// Schema of a number with a fixed scale.
pub(super) fn fixed_schema(precision: Option<usize>, scale: usize) -> ConnectSchema {
    let schema = ConnectSchema::semantic(Kind::Bytes, DECIMAL).with_parameter(DECIMAL_SCALE, scale);
    match precision {
        Some(precision) => schema.with_parameter(DECIMAL_PRECISION, precision),
        None => schema,
    }
}

/// Schema of a number with its own scale.
pub(super) fn variable_schema() -> ConnectSchema {
    let fields = vec![
        ConnectSchema::plain(Kind::Int32).required().named(SCALE),
        ConnectSchema::plain(Kind::Bytes).required().named(VALUE),
    ];
    ConnectSchema::record("io.debezium.data.VariableScaleDecimal".to_owned(), fields)
        .with_version(1)
        .with_doc("Variable scaled decimal")
}

/// Appends an unscaled number with scale 0.
pub(super) fn put_variable<F: Format>(unscaled: &[u8], out: &mut Vec<u8>) {
    F::begin_record(out);
    F::field(SCALE, out);
    F::integer(0, out);
    F::field(VALUE, out);
    F::bytes(unscaled.len(), unscaled.iter().copied(), out);
    F::end_record(out);
}
