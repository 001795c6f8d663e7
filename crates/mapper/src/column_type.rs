//! From a column's type to its encoder.

use walcast_pgoutput::Oid;

use crate::encode::{Encoder, TimeUnit};
use crate::{TableFacts, TypeKind};

/// How a column of type `oid` with modifier `modifier` is written. Types that have no encoder are sent as the text the
/// server prints.
pub(crate) fn encoder(oid: Oid, modifier: i32, facts: &TableFacts) -> Encoder {
    resolve(oid, modifier, facts, DEPTH_MAX).unwrap_or(Encoder::Text)
}

/// Whether the type is known without the catalog or is an enum: only of such does Debezium read defaults.
pub(crate) fn has_readable_default(oid: Oid, facts: &TableFacts) -> bool {
    match facts.types.get(&oid).map(|facts| &facts.kind) {
        Some(TypeKind::Enum { .. }) => true,
        Some(_) => false,
        None => !matches!(oid.as_u32(), BYTEA | OID | NAME | CHAR) && scalar(oid, NO_MODIFIER).is_some(),
    }
}

/// Domains over domains and arrays of them: the server allows any depth, the catalog cannot hold a circle.
const DEPTH_MAX: usize = 64;

const NO_MODIFIER: i32 = -1;

fn resolve(oid: Oid, modifier: i32, facts: &TableFacts, depth: usize) -> Option<Encoder> {
    let depth = depth.checked_sub(1)?;
    let array = |element: Oid| {
        let element = resolve(element, modifier, facts, depth)?;
        // Postgres has no arrays of arrays; a domain over an array could make one look so.
        (!matches!(element, Encoder::Array(_))).then(|| Encoder::Array(Box::new(element)))
    };
    if let Some(found) = scalar(oid, modifier) {
        return Some(found);
    }
    if let Some(element) = builtin_element(oid) {
        return array(element);
    }
    let known = facts.types.get(&oid)?;
    match &known.kind {
        TypeKind::Enum { labels } => Some(Encoder::Enum {
            type_oid: oid,
            labels: labels.clone(),
        }),
        TypeKind::Domain { base, base_modifier } => {
            let modifier = if *base_modifier == NO_MODIFIER {
                modifier
            } else {
                *base_modifier
            };
            resolve(*base, modifier, facts, depth)
        }
        TypeKind::Array { element } => array(*element),
        TypeKind::Base if known.name == "citext" => Some(Encoder::Text),
        TypeKind::Base | TypeKind::Composite | TypeKind::Range => None,
    }
}

const BYTEA: u32 = 17;
const CHAR: u32 = 18;
const NAME: u32 = 19;
const OID: u32 = 26;

/// Types with the numbers that <https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_type.dat>
/// gives them in every database.
fn scalar(oid: Oid, modifier: i32) -> Option<Encoder> {
    Some(match oid.as_u32() {
        16 => Encoder::Boolean,
        BYTEA => Encoder::Bytes,
        CHAR | NAME | 25 | 1042 | 1043 => Encoder::Text,
        20 => Encoder::Int64,
        21 => Encoder::Int16,
        23 => Encoder::Int32,
        OID => Encoder::Oid,
        114 | 3802 => Encoder::Json,
        700 => Encoder::Float,
        701 => Encoder::Double,
        1082 => Encoder::Date,
        1083 => Encoder::Time(unit(modifier)),
        1114 => Encoder::Timestamp(unit(modifier)),
        1184 => Encoder::ZonedTimestamp {
            digits: second_digits(modifier),
        },
        1700 => numeric(modifier),
        2950 => Encoder::Uuid,
        _ => return None,
    })
}

fn builtin_element(oid: Oid) -> Option<Oid> {
    let element = match oid.as_u32() {
        199 => 114,
        1000 => 16,
        1001 => BYTEA,
        1002 => CHAR,
        1003 => NAME,
        1005 => 21,
        1007 => 23,
        1009 => 25,
        1014 => 1042,
        1015 => 1043,
        1016 => 20,
        1021 => 700,
        1022 => 701,
        1028 => OID,
        1115 => 1114,
        1182 => 1082,
        1183 => 1083,
        1185 => 1184,
        1231 => 1700,
        2951 => 2950,
        3807 => 3802,
        _ => return None,
    };
    Some(Oid::new(element))
}

/// Digits of a second; six without a modifier.
fn second_digits(modifier: i32) -> u32 {
    u32::try_from(modifier).map_or(SECOND_DIGITS_MAX, |digits| digits.min(SECOND_DIGITS_MAX))
}

const SECOND_DIGITS_MAX: u32 = 6;
/// Columns with no more digits than this are sent as milliseconds.
const MILLIS_DIGITS: u32 = 3;

fn unit(modifier: i32) -> TimeUnit {
    if second_digits(modifier) <= MILLIS_DIGITS {
        TimeUnit::Millis
    } else {
        TimeUnit::Micros
    }
}

/// `numeric`'s modifier is the precision above the scale, plus four; from version 15 on the scale has 11 bits and a sign.
///
/// Avro's scale lies between zero and the precision. A negative scale only means that the last digits are zeros, and a
/// scale above the precision that the first are: the precision grows so that the value is exact.
fn numeric(modifier: i32) -> Encoder {
    let Some(packed) = modifier.checked_sub(4).filter(|packed| *packed >= 0) else {
        return Encoder::VariableDecimal;
    };
    let precision = (packed >> 16) & 0xFFFF;
    let scale = ((packed & 0x7FF) ^ 1024) - 1024;
    let (precision, scale) = if scale < 0 {
        (precision - scale, 0)
    } else {
        (precision.max(scale), scale)
    };
    let size = |number: i32| usize::try_from(number).expect("neither is negative");
    Encoder::Decimal {
        precision: size(precision),
        scale: size(scale),
    }
}
