//! Encoding of values, from the server's text form to the bytes of a [`Format`]: one small encoder a column.

mod alteration;
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
mod scratch;
mod text;
mod time;
mod value_error;
mod vector;

use walcast_pgoutput::Oid;

use crate::config::{BinaryMode, IntervalMode};
use crate::connect::{ConnectSchema, Kind, Slot};
use crate::format::{Format, Nullability, Raw};
pub(crate) use alteration::Alteration;
pub(crate) use hash::Hash;
pub(crate) use moment::{Moment, SECOND_DIGITS_MAX};
pub(crate) use scratch::Scratch;
pub(crate) use time::{DateForm, TimeForm};
pub(crate) use value_error::ValueError;

/// Encoder of the values of one column.
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
    /// Avro `string`: the text of a semantic type with this name.
    Named(&'static str),
    /// Avro `bytes` of logical type `decimal`.
    Decimal {
        /// Digits in all; `None` for money, whose schema has no precision.
        precision: Option<usize>,
        /// Digits after the point.
        scale: usize,
    },
    /// Debezium's record of a scale and an unscaled number.
    VariableDecimal,
    /// Avro `double`: the one nearest to an exact number.
    DecimalDouble,
    /// Avro `string`: an exact number.
    DecimalText {
        /// Digits after the point, where the column fixes them.
        scale: Option<usize>,
    },
    /// A `money` value.
    Money {
        /// Encoder of the number.
        form: Box<Encoder>,
        /// Digits after the point.
        fraction_digits: usize,
    },
    /// `bytea` as an Avro `string`.
    BytesText(BinaryMode),
    /// The bytes of the text of an unknown type, as bytes or as text again.
    Opaque(BinaryMode),
    /// Avro `boolean`: a bit string of one bit.
    Bit,
    /// Avro `bytes`: a bit string, the last bit first.
    Bits {
        /// Length limit in bits.
        length: u32,
    },
    /// A date.
    Date(DateForm),
    /// A time of day.
    Time(TimeForm),
    /// A timestamp without time zone.
    Timestamp(TimeForm),
    /// Avro `string`: a timestamp in UTC.
    ZonedTimestamp {
        /// Digits of a second.
        digits: u32,
    },
    /// Avro `string`: a time of day in UTC.
    ZonedTime,
    /// An interval.
    Interval(IntervalMode),
    /// Avro `string`: one of the labels.
    Enum {
        /// OID of the enum type.
        type_oid: Oid,
        /// Labels, in order.
        labels: Vec<String>,
        /// Whether other labels are written too.
        is_open: bool,
    },
    /// `hstore` as an Avro `string` that is a JSON object.
    HstoreJson,
    /// `hstore` as an Avro `map`.
    HstoreMap,
    /// Debezium's record of a point.
    Point,
    /// Debezium's record of a PostGIS `geometry`.
    Geometry,
    /// Debezium's record of a PostGIS `geography`.
    Geography,
    /// Avro `array` of `double`: a `vector`.
    DoubleVector,
    /// Avro `array` of `float`: a `halfvec`.
    FloatVector,
    /// Debezium's record of a `sparsevec`.
    SparseVector,
    /// Avro `array`.
    Array {
        /// Encoder of the elements.
        element: Box<Encoder>,
        /// Separator of the elements in the text form.
        delimiter: u8,
    },
    /// Avro `string` that never has a value: Debezium knows the type and does not read it.
    Discarded,
    /// Text or bytes that are masked, truncated or hashed.
    Altered(Box<Altered>),
}

/// A column whose values are transformed before they are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Altered {
    /// Encoder of the original values.
    pub(crate) inner: Encoder,
    /// Whether the values are text; otherwise they are bytes.
    pub(crate) is_text: bool,
    /// Transform of the values.
    pub(crate) alteration: Alteration,
}

impl Encoder {
    /// Appends one value.
    #[inline]
    pub(crate) fn put<F: Format>(
        &self,
        value: &[u8],
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), ValueError> {
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
            } => money::put(value, *fraction_digits, scratch, |number, scratch| {
                form.put::<F>(number, scratch, out)
            }),
            Encoder::BytesText(mode) => binary::bytea::<F>(value, *mode, scratch, out),
            Encoder::Opaque(mode) => binary::opaque::<F>(value, *mode, scratch, out),
            Encoder::Bit => bits::boolean::<F>(value, out),
            Encoder::Bits { .. } => bits::little_endian::<F>(value, out),
            Encoder::Date(form) => time::date::<F>(value, *form, out),
            Encoder::Time(form) => time::time::<F>(value, *form, out),
            Encoder::Timestamp(form) => time::timestamp::<F>(value, *form, out),
            Encoder::ZonedTimestamp { digits } => time::zoned_timestamp::<F>(value, *digits, out),
            Encoder::Enum { is_open: true, .. } => text::string::<F>(value, out),
            Encoder::Enum { type_oid, labels, .. } => {
                text::label::<F>(value, labels, out).ok_or(ValueError::UnknownLabel(*type_oid))
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
            Encoder::Array { element, delimiter } => {
                let nullability = element.element_nullability();
                array::put::<F>(
                    value,
                    *delimiter,
                    nullability,
                    scratch,
                    out,
                    |item, scratch, out| element.put::<F>(item, scratch, out),
                )
            }
            Encoder::Discarded => Err(ValueError::Discarded),
            Encoder::Altered(altered) => altered.put::<F>(value, scratch, out),
        }
    }

    /// Schema of the values.
    pub(crate) fn schema(&self) -> ConnectSchema {
        match self {
            Encoder::Boolean | Encoder::Bit => Kind::Boolean.into(),
            Encoder::Int16 => Kind::Int16.into(),
            Encoder::Int32 => Kind::Int32.into(),
            Encoder::Int64 | Encoder::Oid => Kind::Int64.into(),
            Encoder::Float => Kind::Float32.into(),
            Encoder::Double | Encoder::DecimalDouble => Kind::Float64.into(),
            Encoder::Text | Encoder::DecimalText { .. } | Encoder::BytesText(_) | Encoder::Discarded => {
                Kind::String.into()
            }
            Encoder::Bytes => Kind::Bytes.into(),
            Encoder::Opaque(mode) => binary::schema(*mode),
            Encoder::Uuid => ConnectSchema::semantic(Kind::String, "io.debezium.data.Uuid"),
            Encoder::Json | Encoder::HstoreJson => {
                ConnectSchema::semantic(Kind::String, "io.debezium.data.Json")
            }
            Encoder::Named(name) => ConnectSchema::semantic(Kind::String, name),
            Encoder::Date(form) => time::date_schema(*form),
            Encoder::Time(form) => time::time_schema(*form),
            Encoder::Timestamp(form) => time::timestamp_schema(*form),
            Encoder::ZonedTimestamp { .. } => {
                ConnectSchema::semantic(Kind::String, "io.debezium.time.ZonedTimestamp")
            }
            Encoder::ZonedTime => ConnectSchema::semantic(Kind::String, "io.debezium.time.ZonedTime"),
            Encoder::Interval(mode) => interval::schema(*mode),
            Encoder::Enum { labels, .. } => text::enum_schema(labels),
            Encoder::Decimal { precision, scale } => decimal::fixed_schema(*precision, *scale),
            Encoder::VariableDecimal => decimal::variable_schema(),
            Encoder::Money { form, .. } => form.schema(),
            Encoder::Bits { length } => bits::schema(*length),
            Encoder::HstoreMap => hstore::map_schema(),
            Encoder::Point => geometry::point_schema(),
            Encoder::Geometry => geometry::geometry_schema("io.debezium.data.geometry.Geometry", "Geometry"),
            Encoder::Geography => {
                geometry::geometry_schema("io.debezium.data.geometry.Geography", "Geography")
            }
            Encoder::DoubleVector => vector::schema(Kind::Float64, "io.debezium.data.DoubleVector"),
            Encoder::FloatVector => vector::schema(Kind::Float32, "io.debezium.data.FloatVector"),
            Encoder::SparseVector => vector::sparse_schema(),
            Encoder::Altered(altered) => altered.inner.schema(),
            Encoder::Array { element, .. } => Kind::Array(Box::new(element.element_slot())).into(),
        }
    }

    /// Appends the zero value of the type, which Debezium writes to a NOT NULL field that an old tuple does not contain.
    pub(crate) fn put_zero<F: Format>(&self, out: &mut Vec<u8>) {
        match self {
            Encoder::Boolean | Encoder::Bit => F::boolean(false, out),
            Encoder::Int16 | Encoder::Int32 | Encoder::Int64 | Encoder::Oid => F::integer(0, out),
            Encoder::Float => F::float(0.0, out),
            Encoder::Double | Encoder::DecimalDouble => F::double(0.0, out),
            Encoder::Text
            | Encoder::Uuid
            | Encoder::Json
            | Encoder::Named(_)
            | Encoder::Enum { .. }
            | Encoder::BytesText(_)
            | Encoder::Discarded => F::string(b"", out),
            Encoder::Bytes | Encoder::Bits { .. } => F::bytes(0, std::iter::empty(), out),
            Encoder::Opaque(mode) => binary::put_substitute::<F>(b"", *mode, out),
            Encoder::Decimal { .. } => F::decimal(b"0", &[0], out),
            Encoder::VariableDecimal => decimal::put_variable::<F>(&[0], out),
            Encoder::DecimalText { scale } => plain_decimal::put_zero_text::<F>(scale.unwrap_or(0), out),
            Encoder::Money {
                form,
                fraction_digits,
            } => match form.as_ref() {
                Encoder::DecimalText { .. } => plain_decimal::put_zero_text::<F>(*fraction_digits, out),
                form => form.put_zero::<F>(out),
            },
            Encoder::Date(form) => time::put_zero_date::<F>(*form, out),
            Encoder::Time(form) => time::put_zero_time::<F>(*form, out),
            Encoder::ZonedTime => time::put_zero_time::<F>(TimeForm::Iso, out),
            Encoder::Timestamp(form) => time::put_zero_timestamp::<F>(*form, out),
            Encoder::ZonedTimestamp { .. } => time::put_zero_timestamp::<F>(TimeForm::Iso, out),
            Encoder::Interval(mode) => interval::put_zero::<F>(*mode, out),
            Encoder::HstoreJson => F::string(b"{}", out),
            Encoder::HstoreMap => {
                F::begin_map(0, out);
                F::end_map(out);
            }
            Encoder::Point => geometry::put_point::<F>(0.0, 0.0, out),
            Encoder::Geometry | Encoder::Geography => geometry::put_empty::<F>(out),
            Encoder::SparseVector => vector::put_bytes_sparse::<F>(&[], out),
            Encoder::Array { .. } | Encoder::DoubleVector | Encoder::FloatVector => {
                F::begin_array(0, out);
                F::end_array(out);
            }
            Encoder::Altered(altered) => altered.inner.put_zero::<F>(out),
        }
    }

    /// Appends the placeholder of an unchanged TOAST value: never null, and recognizable.
    ///
    /// As in Debezium: the placeholder for text and bytes, a UUID made of it, and its bytes as numbers in arrays of
    /// numbers. Where Debezium sends null, the same rule is extended.
    pub(crate) fn put_placeholder<F: Format>(&self, placeholder: &[u8], out: &mut Vec<u8>) {
        match self {
            Encoder::Text
            | Encoder::Json
            | Encoder::Named(_)
            | Encoder::Enum { .. }
            | Encoder::DecimalText { .. }
            | Encoder::BytesText(_)
            | Encoder::Date(DateForm::Iso)
            | Encoder::Time(TimeForm::Iso)
            | Encoder::Timestamp(TimeForm::Iso)
            | Encoder::ZonedTimestamp { .. }
            | Encoder::ZonedTime
            | Encoder::Interval(IntervalMode::String) => F::string(placeholder, out),
            Encoder::Uuid => F::string(text::uuid_of(placeholder).as_bytes(), out),
            Encoder::Bytes | Encoder::Bits { .. } => {
                F::bytes(placeholder.len(), placeholder.iter().copied(), out);
            }
            Encoder::Opaque(mode) => binary::put_substitute::<F>(placeholder, *mode, out),
            Encoder::Decimal { .. } => F::decimal(b"null", placeholder, out),
            Encoder::VariableDecimal => decimal::put_variable::<F>(placeholder, out),
            // NaN, the only recognizable double.
            Encoder::DecimalDouble => F::double(f64::NAN, out),
            Encoder::Money { form, .. } => form.put_placeholder::<F>(placeholder, out),
            Encoder::HstoreJson => hstore::put_json_placeholder::<F>(placeholder, out),
            Encoder::HstoreMap => hstore::put_map_placeholder::<F>(placeholder, out),
            Encoder::Geometry | Encoder::Geography => {
                geometry::put_geometry::<F>(placeholder.len(), placeholder.iter().copied(), None, out);
            }
            Encoder::DoubleVector => put_bytes_as::<F, f64>(Nullability::Required, placeholder, F::double, out),
            Encoder::FloatVector => put_bytes_as::<F, f32>(Nullability::Required, placeholder, F::float, out),
            Encoder::SparseVector => vector::put_bytes_sparse::<F>(placeholder, out),
            Encoder::Array { element, .. } => element.put_placeholder_items::<F>(placeholder, out),
            Encoder::Altered(altered) => altered.inner.put_placeholder::<F>(placeholder, out),
            // Values of these types are too short for TOAST; the zero value is at least of the type.
            Encoder::Boolean
            | Encoder::Bit
            | Encoder::Int16
            | Encoder::Int32
            | Encoder::Int64
            | Encoder::Oid
            | Encoder::Float
            | Encoder::Double
            | Encoder::Date(_)
            | Encoder::Time(_)
            | Encoder::Timestamp(_)
            | Encoder::Interval(_)
            | Encoder::Point
            // Never sent.
            | Encoder::Discarded => self.put_zero::<F>(out),
        }
    }

    /// Appends the placeholder of an array with this element encoder.
    fn put_placeholder_items<F: Format>(&self, placeholder: &[u8], out: &mut Vec<u8>) {
        let nullability = self.element_nullability();
        let bytes = placeholder.iter().copied();
        match self {
            Encoder::Int16
            | Encoder::Int32
            | Encoder::Int64
            | Encoder::Oid
            | Encoder::Date(DateForm::Days | DateForm::Connect)
            | Encoder::Time(TimeForm::Millis | TimeForm::Micros | TimeForm::Nanos | TimeForm::Connect)
            | Encoder::Timestamp(TimeForm::Millis | TimeForm::Micros | TimeForm::Nanos | TimeForm::Connect)
            | Encoder::Interval(IntervalMode::Numeric) => {
                put_bytes_as::<F, i64>(nullability, placeholder, F::integer, out);
            }
            Encoder::Float => put_bytes_as::<F, f32>(nullability, placeholder, F::float, out),
            Encoder::Double | Encoder::DecimalDouble => {
                put_bytes_as::<F, f64>(nullability, placeholder, F::double, out);
            }
            Encoder::Boolean | Encoder::Bit => {
                let bits = bytes.flat_map(|byte| (0..8).rev().map(move |place| byte >> place & 1 == 1));
                array::put_items::<F, _>(nullability, bits, out, F::boolean);
            }
            Encoder::Point => array::put_items::<F, _>(nullability, bytes, out, |byte, out| {
                geometry::put_point::<F>(f64::from(byte), 0.0, out);
            }),
            other => array::put_items::<F, _>(nullability, std::iter::once(()), out, |(), out| {
                other.put_placeholder::<F>(placeholder, out);
            }),
        }
    }

    /// Encoder of the values without alteration.
    pub(crate) fn unaltered(&self) -> &Encoder {
        match self {
            Encoder::Altered(altered) => &altered.inner,
            other => other,
        }
    }

    /// Nullability of the elements of an array with this element encoder. Elements of Debezium's arrays of enum labels
    /// and of unknown types are not nullable.
    pub(crate) fn element_nullability(&self) -> Nullability {
        match self {
            Encoder::Enum { .. } | Encoder::Opaque(_) => Nullability::Required,
            _ => Nullability::NullFirst,
        }
    }

    /// Whether the schema of a column is nullable even if the column is NOT NULL, as Debezium's geometries are.
    pub(crate) fn is_always_optional(&self) -> bool {
        matches!(self, Encoder::Geometry)
    }

    /// Schema of the elements of an array with this element encoder.
    pub(crate) fn element_slot(&self) -> Slot {
        Slot {
            schema: self.schema(),
            optional: self.element_nullability() != Nullability::Required,
            default: None,
        }
    }
}

impl Altered {
    /// Appends the transformed value.
    pub(crate) fn put<F: Format>(
        &self,
        value: &[u8],
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), ValueError> {
        if matches!(self.alteration, Alteration::Mask(_)) {
            self.alter::<F>(b"", out);
            return Ok(());
        }
        // Taken out of the scratch while it holds the value: the value's encoder may need the rest.
        let mut text = std::mem::take(&mut scratch.text);
        text.clear();
        let read = self.inner.put::<Raw>(value, scratch, &mut text);
        if read.is_ok() {
            self.alter::<F>(&text, out);
        }
        scratch.text = text;
        read
    }

    /// Appends the transformed form of a text, or of bytes.
    pub(crate) fn alter<F: Format>(&self, value: &[u8], out: &mut Vec<u8>) {
        self.alteration.put::<F>(value, self.is_text, out);
    }
}

/// Appends an array of the bytes as numbers.
fn put_bytes_as<F: Format, N: From<u8>>(
    nullability: Nullability,
    bytes: &[u8],
    put: fn(N, &mut Vec<u8>),
    out: &mut Vec<u8>,
) {
    let numbers = bytes.iter().map(|byte| N::from(*byte));
    array::put_items::<F, N>(nullability, numbers, out, put);
}
