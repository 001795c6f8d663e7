//! Bit strings.

use crate::encode::Fault;
use crate::format::Format;

const FAULT: Fault = Fault::Value("a bit string");

/// The only bit.
pub(super) fn boolean<F: Format>(text: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let value = match text {
        b"0" => false,
        b"1" => true,
        _ => return Err(FAULT),
    };
    F::boolean(value, out);
    Ok(())
}

/// The last eight bits first. Leading zeros are left out, as Debezium does it: nothing is left of a string of zeros.
pub(super) fn little_endian<F: Format>(text: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
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
