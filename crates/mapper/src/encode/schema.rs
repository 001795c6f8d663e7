//! What values are to Connect, as Debezium describes them.

use crate::connect::{
    ConnectSchema, DATE, DECIMAL, DECIMAL_PRECISION, DECIMAL_SCALE, Kind, Slot, TIME, TIMESTAMP,
};
use crate::encode::{DIMENSIONS, DateForm, Encoder, SCALE, SRID, TimeForm, VALUE, VECTOR, WKB, X, Y};
use crate::schema::{ALLOWED, ENUM};
use crate::{BinaryMode, IntervalMode};

impl Encoder {
    /// What its values are.
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
            Encoder::Bytes | Encoder::Opaque(BinaryMode::Bytes) => Kind::Bytes.into(),
            Encoder::Opaque(_) => Kind::String.into(),
            Encoder::Uuid => ConnectSchema::semantic(Kind::String, "io.debezium.data.Uuid"),
            Encoder::Json | Encoder::HstoreJson => {
                ConnectSchema::semantic(Kind::String, "io.debezium.data.Json")
            }
            Encoder::Named(name) => ConnectSchema::semantic(Kind::String, name),
            Encoder::Date(form) => date(*form),
            Encoder::Time(form) => time(*form),
            Encoder::Timestamp(form) => timestamp(*form),
            Encoder::ZonedTimestamp { .. } => {
                ConnectSchema::semantic(Kind::String, "io.debezium.time.ZonedTimestamp")
            }
            Encoder::ZonedTime => ConnectSchema::semantic(Kind::String, "io.debezium.time.ZonedTime"),
            Encoder::Interval(IntervalMode::Numeric) => {
                ConnectSchema::semantic(Kind::Int64, "io.debezium.time.MicroDuration")
            }
            Encoder::Interval(IntervalMode::String) => {
                ConnectSchema::semantic(Kind::String, "io.debezium.time.Interval")
            }
            Encoder::Enum { labels, .. } => {
                ConnectSchema::semantic(Kind::String, ENUM).with_parameter(ALLOWED, labels.join(","))
            }
            Encoder::Decimal { precision, scale } => decimal(*precision, *scale),
            Encoder::VariableDecimal => variable_decimal(),
            Encoder::Money { form, .. } => form.schema(),
            Encoder::Bits { length } => {
                ConnectSchema::semantic(Kind::Bytes, "io.debezium.data.Bits").with_parameter("length", length)
            }
            Encoder::HstoreMap => map(Kind::String.into(), ConnectSchema::from(Kind::String).optional()),
            Encoder::Point => point(),
            Encoder::Geometry => geometry("io.debezium.data.geometry.Geometry", "Geometry"),
            Encoder::Geography => geometry("io.debezium.data.geometry.Geography", "Geography"),
            Encoder::DoubleVector => vector(Kind::Float64, "io.debezium.data.DoubleVector"),
            Encoder::FloatVector => vector(Kind::Float32, "io.debezium.data.FloatVector"),
            Encoder::SparseVector => sparse_vector(),
            Encoder::Altered(altered) => altered.inner.schema(),
            Encoder::Array { element, .. } => Kind::Array(Box::new(element.element_slot())).into(),
        }
    }
}

fn date(form: DateForm) -> ConnectSchema {
    match form {
        DateForm::Days => ConnectSchema::semantic(Kind::Int32, "io.debezium.time.Date"),
        DateForm::Connect => ConnectSchema::semantic(Kind::Int32, DATE),
        DateForm::Iso => ConnectSchema::semantic(Kind::String, "io.debezium.time.IsoDate"),
    }
}

fn time(form: TimeForm) -> ConnectSchema {
    match form {
        TimeForm::Millis => ConnectSchema::semantic(Kind::Int32, "io.debezium.time.Time"),
        TimeForm::Micros => ConnectSchema::semantic(Kind::Int64, "io.debezium.time.MicroTime"),
        TimeForm::Nanos => ConnectSchema::semantic(Kind::Int64, "io.debezium.time.NanoTime"),
        TimeForm::Connect => ConnectSchema::semantic(Kind::Int32, TIME),
        TimeForm::Iso => ConnectSchema::semantic(Kind::String, "io.debezium.time.IsoTime"),
    }
}

fn timestamp(form: TimeForm) -> ConnectSchema {
    match form {
        TimeForm::Millis => ConnectSchema::semantic(Kind::Int64, "io.debezium.time.Timestamp"),
        TimeForm::Micros => ConnectSchema::semantic(Kind::Int64, "io.debezium.time.MicroTimestamp"),
        TimeForm::Nanos => ConnectSchema::semantic(Kind::Int64, "io.debezium.time.NanoTimestamp"),
        TimeForm::Connect => ConnectSchema::semantic(Kind::Int64, TIMESTAMP),
        TimeForm::Iso => ConnectSchema::semantic(Kind::String, "io.debezium.time.IsoTimestamp"),
    }
}

fn decimal(precision: Option<usize>, scale: usize) -> ConnectSchema {
    let schema = ConnectSchema::semantic(Kind::Bytes, DECIMAL).with_parameter(DECIMAL_SCALE, scale);
    match precision {
        Some(precision) => schema.with_parameter(DECIMAL_PRECISION, precision),
        None => schema,
    }
}

fn variable_decimal() -> ConnectSchema {
    let fields = vec![
        ConnectSchema::plain(Kind::Int32).required().named(SCALE),
        ConnectSchema::plain(Kind::Bytes).required().named(VALUE),
    ];
    ConnectSchema::record("io.debezium.data.VariableScaleDecimal".to_owned(), fields)
        .with_version(1)
        .with_doc("Variable scaled decimal")
}

fn point() -> ConnectSchema {
    let fields = vec![
        ConnectSchema::plain(Kind::Float64).required().named(X),
        ConnectSchema::plain(Kind::Float64).required().named(Y),
        ConnectSchema::plain(Kind::Bytes).optional().named(WKB),
        ConnectSchema::plain(Kind::Int32).optional().named(SRID),
    ];
    ConnectSchema::record("io.debezium.data.geometry.Point".to_owned(), fields)
        .with_version(1)
        .with_doc("Geometry (POINT)")
}

fn geometry(name: &str, doc: &'static str) -> ConnectSchema {
    let fields = vec![
        ConnectSchema::plain(Kind::Bytes).required().named(WKB),
        ConnectSchema::plain(Kind::Int32).optional().named(SRID),
    ];
    ConnectSchema::record(name.to_owned(), fields)
        .with_version(1)
        .with_doc(doc)
}

fn vector(element: Kind, name: &str) -> ConnectSchema {
    let element = ConnectSchema::from(element).required();
    ConnectSchema::semantic(Kind::Array(Box::new(element)), name)
}

fn sparse_vector() -> ConnectSchema {
    let entries = map(Kind::Int16.into(), ConnectSchema::from(Kind::Float64).required());
    let fields = vec![
        ConnectSchema::plain(Kind::Int16).required().named(DIMENSIONS),
        entries.required().named(VECTOR),
    ];
    ConnectSchema::record("io.debezium.data.SparseDoubleVector".to_owned(), fields)
        .with_version(1)
        .with_doc("Sparse double vector")
}

fn map(keys: ConnectSchema, values: Slot) -> ConnectSchema {
    let (keys, values) = (Box::new(keys.required()), Box::new(values));
    Kind::Map { keys, values }.into()
}
