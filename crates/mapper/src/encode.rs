//! Values: from the wire's text to Avro's bytes, one small encoder a column.

mod altered;
mod array;
mod binary;
mod bits;
mod calendar;
mod decimal;
mod geometry;
mod hash;
mod hstore;
mod interval;
mod moment;
mod money;
mod number;
mod plain_decimal;
mod schema;
mod text;
mod time;
mod vector;

use walcast_pgoutput::Oid;

use crate::connect::Slot;
use crate::format::{Format, Nullability};
use crate::{BinaryMode, IntervalMode};
pub(crate) use altered::{Alteration, Altered};
use array::{Element, Elements};
pub(crate) use decimal::{SCALE, VALUE};
pub(crate) use geometry::{EMPTY_WKB, SRID, WKB, X, Y, put_geometry, put_point};
pub(crate) use hash::Hash;
pub(crate) use moment::{Moment, SECOND_DIGITS_MAX};
pub(crate) use time::{DateForm, TimeForm};
pub(crate) use vector::{DIMENSIONS, VECTOR, put_sparse};

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
    /// Avro `string`: the text of something with a meaning of this name.
    Named(&'static str),
    /// Avro `bytes` of logical type `decimal`.
    Decimal {
        /// Digits in all; the schema of a sum of money does not tell.
        precision: Option<usize>,
        /// Digits after the point.
        scale: usize,
    },
    /// Debezium's record of a scale and a number.
    VariableDecimal,
    /// Avro `double` nearest to an exact number.
    DecimalDouble,
    /// Avro `string`: an exact number.
    DecimalText {
        /// Digits after the point, where the column fixes them.
        scale: Option<usize>,
    },
    /// A sum of money.
    Money {
        /// How its number is written.
        form: Box<Encoder>,
        /// Digits after the point.
        fraction_digits: usize,
    },
    /// `bytea` as an Avro `string`.
    BytesText(BinaryMode),
    /// The bytes of a text that nobody understands, as bytes or as text again.
    Opaque(BinaryMode),
    /// Avro `boolean`: a bit string of one bit.
    Bit,
    /// Avro `bytes`: a bit string, the last bit first.
    Bits {
        /// Bits that it can have.
        length: u32,
    },
    /// A date.
    Date(DateForm),
    /// A time of the day.
    Time(TimeForm),
    /// A time since 1970.
    Timestamp(TimeForm),
    /// Avro `string`: a moment in UTC.
    ZonedTimestamp {
        /// Digits of a second.
        digits: u32,
    },
    /// Avro `string`: a time of the day in UTC.
    ZonedTime,
    /// A span of time.
    Interval(IntervalMode),
    /// Avro `string`: one of the labels.
    Enum {
        /// The enum.
        type_oid: Oid,
        /// The labels in order.
        labels: Vec<String>,
    },
    /// `hstore` as an Avro `string` that is a JSON object.
    HstoreJson,
    /// `hstore` as an Avro `map`.
    HstoreMap,
    /// Debezium's record of a point.
    Point,
    /// Debezium's record of a geometry of PostGIS.
    Geometry,
    /// The same for a geography.
    Geography,
    /// Avro `array` of `double`: a `vector`.
    DoubleVector,
    /// Avro `array` of `float`: a `halfvec`.
    FloatVector,
    /// Debezium's record of a `sparsevec`.
    SparseVector,
    /// Avro `array`.
    Array {
        /// How its elements are written.
        element: Box<Encoder>,
        /// What stands between them.
        delimiter: u8,
    },
    /// Avro `string` that never holds the value: Debezium knows the type and does not read it.
    Discarded,
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
    /// Values of this column are not sent.
    Discarded,
}

/// Memory for conversions, kept between values.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    limbs: decimal::Limbs,
    element: Vec<u8>,
    members: hstore::Members,
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
            Encoder::Text | Encoder::Uuid | Encoder::Json | Encoder::Named(_) => {
                text::string::<F>(value, out)
            }
            Encoder::Bytes => text::bytes::<F>(value, out),
            Encoder::Decimal { scale, .. } => decimal::fixed::<F>(value, *scale, &mut scratch.limbs, out),
            Encoder::VariableDecimal => decimal::variable::<F>(value, &mut scratch.limbs, out),
            Encoder::DecimalDouble => plain_decimal::double::<F>(value, out),
            Encoder::DecimalText { scale } => plain_decimal::text::<F>(value, *scale, scratch, out),
            Encoder::Money {
                form,
                fraction_digits,
            } => put_money::<F>(form, *fraction_digits, value, scratch, out),
            Encoder::BytesText(mode) => binary::bytea::<F>(value, *mode, scratch, out),
            Encoder::Opaque(mode) => binary::opaque::<F>(value, *mode, scratch, out),
            Encoder::Bit => bits::boolean::<F>(value, out),
            Encoder::Bits { .. } => bits::little_endian::<F>(value, out),
            Encoder::Date(form) => time::date::<F>(value, *form, out),
            Encoder::Time(form) => time::time::<F>(value, *form, out),
            Encoder::Timestamp(form) => time::timestamp::<F>(value, *form, out),
            Encoder::ZonedTimestamp { digits } => time::zoned_timestamp::<F>(value, *digits, out),
            Encoder::Enum { type_oid, labels } => {
                text::label::<F>(value, labels, out).ok_or(Fault::UnknownLabel(*type_oid))
            }
            Encoder::ZonedTime => time::zoned_time::<F>(value, out),
            Encoder::Interval(mode) => interval::interval::<F>(value, *mode, scratch, out),
            Encoder::HstoreJson => hstore::json::<F>(value, scratch, out),
            Encoder::HstoreMap => hstore::map::<F>(value, scratch, out),
            Encoder::Point => geometry::point::<F>(value, out),
            Encoder::Geometry | Encoder::Geography => geometry::extended_wkb::<F>(value, out),
            Encoder::DoubleVector => vector::double::<F>(value, out),
            Encoder::FloatVector => vector::float::<F>(value, out),
            Encoder::SparseVector => vector::sparse::<F>(value, out),
            Encoder::Array { element, delimiter } => put_array::<F>(element, *delimiter, value, scratch, out),
            Encoder::Discarded => Err(Fault::Discarded),
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

    /// Whether the elements of an array of this can be null. Those of Debezium's arrays of labels and of unknown types
    /// cannot.
    pub(crate) fn element_nullability(&self) -> Nullability {
        match self {
            Encoder::Enum { .. } | Encoder::Opaque(_) => Nullability::Required,
            _ => Nullability::NullFirst,
        }
    }

    /// Whether a column of this may be null to its schema although it is NOT NULL: so it is with Debezium's geometries.
    pub(crate) fn is_always_optional(&self) -> bool {
        matches!(self, Encoder::Geometry)
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

fn put_money<F: Format>(
    form: &Encoder,
    fraction_digits: usize,
    value: &[u8],
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    // Out of the scratch while it is read: the number's encoder may need the rest.
    let mut number = std::mem::take(&mut scratch.element);
    let written = money::plain_number(value, fraction_digits, &mut number)
        .and_then(|()| form.put::<F>(&number, scratch, out));
    scratch.element = number;
    written
}

fn put_array<F: Format>(
    encoder: &Encoder,
    delimiter: u8,
    value: &[u8],
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let count = Elements::count(value, delimiter).ok_or(Fault::Value("an array of one dimension"))?;
    F::begin_array(count, out);
    let nullability = encoder.element_nullability();
    // Out of the scratch while it holds an element: the element's encoder needs the rest.
    let mut unescaped = std::mem::take(&mut scratch.element);
    let written = Elements::new(value, delimiter).try_for_each(|element| {
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
