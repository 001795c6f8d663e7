//! Bit strings.

use crate::connect::{ConnectSchema, Kind};
use crate::encode::value_error::ValueError;
use crate::format::Format;

const FAULT: ValueError = ValueError::Value("a bit string");

/// Appends a bit string of one bit.
pub(super) fn boolean<F: Format>(text: &[u8], out: &mut Vec<u8>) -> Result<(), ValueError> {
    let value = match text {
        b"0" => false,
        b"1" => true,
        _ => return Err(FAULT),
    };
    F::boolean(value, out);
    Ok(())
}

/// Appends a bit string as bytes, the last eight bits first. Leading zeros are omitted, as in Debezium: a string of
/// zeros is empty.
pub(super) fn little_endian<F: Format>(text: &[u8], out: &mut Vec<u8>) -> Result<(), ValueError> {
    if !text.iter().all(|bit| matches!(bit, b'0' | b'1')) {
        return Err(FAULT);
    }
    let zeros = text.iter().take_while(|bit| **bit == b'0').count();
    let octets = text.get(zeros..).unwrap_or_default().rchunks(BITS_A_BYTE);
    let bytes = octets.map(|octet| octet.iter().fold(0u8, |byte, bit| byte << 1 | (bit - b'0')));
    F::bytes(bytes.len(), bytes, out);
    Ok(())
}

const BITS_A_BYTE: usize = 8;

/// Schema of bit strings of up to `length` bits.
pub(super) fn schema(length: u32) -> ConnectSchema {
    ConnectSchema::semantic(Kind::Bytes, "io.debezium.data.Bits").with_parameter("length", length)
}
