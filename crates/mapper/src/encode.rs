//! Values: from the wire's text to Avro's bytes, one small encoder a column.

mod altered;
mod array;
mod calendar;
mod decimal;
mod hash;
mod moment;
mod number;
mod text;
mod time;

use walcast_pgoutput::Oid;

use crate::connect::Slot;
use crate::format::{Format, Nullability};
pub(crate) use altered::{Alteration, Altered};
use array::{Element, Elements};
pub(crate) use decimal::{SCALE, VALUE};
pub(crate) use hash::Hash;
pub(crate) use moment::{Moment, SECOND_DIGITS_MAX};
pub(crate) use time::TimeUnit;

/// How the values of one column are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Encoder {
    /// Avro `boolean`.
    Boolean,
    /// Avro `int` that holds 16 bits.
    Int16,
    /// Avro `int`.
    Int32,
    /// Avro `long`.
    Int64,
    /// `oid`: an Avro `long`.
    Oid,
    /// Avro `float`.
    Float,
    /// Avro `double`.
    Double,
    /// Avro `string`.
    Text,
    /// Avro `string`: a UUID.
    Uuid,
    /// Avro `string`: JSON.
    Json,
    /// Avro `bytes`.
    Bytes,
    /// Avro `bytes` of logical type `decimal`.
    Decimal {
        /// Digits in all.
        precision: usize,
        /// Digits after the point.
        scale: usize,
    },
    /// Debezium's record of a scale and a number.
    VariableDecimal,
    /// Avro `int`: days.
    Date,
    /// Avro `int` or `long`: time of the day.
    Time(TimeUnit),
    /// Avro `long`: time since 1970.
    Timestamp(TimeUnit),
    /// Avro `string`: a moment in UTC.
    ZonedTimestamp {
        /// Digits of a second.
        digits: u32,
    },
    /// Avro `string`: one of the labels.
    Enum {
        /// The enum.
        type_oid: Oid,
        /// The labels in order.
        labels: Vec<String>,
    },
    /// Avro `array`.
    Array(Box<Encoder>),
    /// Text or bytes that are not sent as they are.
    Altered(Box<Altered>),
}

/// Why a value cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is not what is named here.
    Value(&'static str),
    /// It is a label of this enum that the schema does not list.
    UnknownLabel(Oid),
}

/// Memory for conversions, kept between values.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    limbs: decimal::Limbs,
    element: Vec<u8>,
    /// For texts that are put together.
    pub(crate) text: Vec<u8>,
}

impl Encoder {
    /// Appends one value.
    #[inline]
    pub(crate) fn put<F: Format>(
        &self,
        value: &[u8],
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        match self {
            Encoder::Boolean => number::boolean::<F>(value, out),
            Encoder::Int16 => number::integer::<F>(value, i64::from(i16::MIN), i64::from(i16::MAX), out),
            Encoder::Int32 => number::integer::<F>(value, i64::from(i32::MIN), i64::from(i32::MAX), out),
            Encoder::Int64 => number::integer::<F>(value, i64::MIN, i64::MAX, out),
            Encoder::Oid => number::integer::<F>(value, 0, i64::from(u32::MAX), out),
            Encoder::Float => number::float::<F>(value, out),
            Encoder::Double => number::double::<F>(value, out),
            Encoder::Text | Encoder::Uuid | Encoder::Json => text::string::<F>(value, out),
            Encoder::Bytes => text::bytes::<F>(value, out),
            Encoder::Decimal { scale, .. } => decimal::fixed::<F>(value, *scale, &mut scratch.limbs, out),
            Encoder::VariableDecimal => decimal::variable::<F>(value, &mut scratch.limbs, out),
            Encoder::Date => time::date::<F>(value, out),
            Encoder::Time(unit) => time::time::<F>(value, *unit, out),
            Encoder::Timestamp(unit) => time::timestamp::<F>(value, *unit, out),
            Encoder::ZonedTimestamp { digits } => time::zoned_timestamp::<F>(value, *digits, out),
            Encoder::Enum { type_oid, labels } => {
                text::label::<F>(value, labels, out).ok_or(Fault::UnknownLabel(*type_oid))
            }
            Encoder::Array(element) => put_array::<F>(element, value, scratch, out),
            Encoder::Altered(altered) => altered.put::<F>(value, scratch, out),
        }
    }

    /// How the values would be written if they were sent as they are.
    pub(crate) fn unaltered(&self) -> &Encoder {
        match self {
            Encoder::Altered(altered) => &altered.inner,
            other => other,
        }
    }

    /// Whether the elements of an array of this can be null. Debezium's enum arrays cannot hold one.
    pub(crate) fn element_nullability(&self) -> Nullability {
        match self {
            Encoder::Enum { .. } => Nullability::Required,
            _ => Nullability::NullFirst,
        }
    }

    /// Where an element of an array of this stands.
    pub(crate) fn element_slot(&self) -> Slot {
        Slot {
            schema: self.schema(),
            optional: self.element_nullability() != Nullability::Required,
            default: None,
        }
    }
}

fn put_array<F: Format>(
    encoder: &Encoder,
    value: &[u8],
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let count = Elements::count(value).ok_or(Fault::Value("an array of one dimension"))?;
    F::begin_array(count, out);
    let nullability = encoder.element_nullability();
    // Out of the scratch while it holds an element: the element's encoder needs the rest.
    let mut unescaped = std::mem::take(&mut scratch.element);
    let written = Elements::new(value).try_for_each(|element| {
        F::item(out);
        let text = match element {
            Element::Plain(text) => text,
            Element::Escaped(text) => {
                array::unescape(text, &mut unescaped);
                &unescaped
            }
            Element::Null if nullability == Nullability::Required => {
                return Err(Fault::Value("an array whose elements are not null"));
            }
            Element::Null => {
                F::absent(nullability, out);
                return Ok(());
            }
            Element::Malformed => return Err(Fault::Value("an array of one dimension")),
        };
        F::present(nullability, out);
        encoder.put::<F>(text, scratch, out)
    });
    scratch.element = unescaped;
    F::end_array(out);
    written
}
