//! Bytes as text.

use crate::connect::{ConnectSchema, Kind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use crate::config::BinaryMode;
use crate::encode::scratch::Scratch;
use crate::encode::text;
use crate::encode::value_error::ValueError;
use crate::format::Format;

/// Appends a `bytea` in the form of `mode`.
pub(super) fn bytea<F: Format>(
    value: &[u8],
    mode: BinaryMode,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    // Taken out of the scratch while the bytes are read: their text needs the rest.
    let mut bytes = std::mem::take(&mut scratch.element);
    let read = text::bytea(value, &mut bytes);
    if read.is_some() {
        put::<F>(&bytes, mode, scratch, out);
    }
    scratch.element = bytes;
    read.ok_or(ValueError::Value("bytes"))
}

/// Appends the bytes of a text in the form of `mode`.
pub(super) fn opaque<F: Format>(
    value: &[u8],
    mode: BinaryMode,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    put::<F>(value, mode, scratch, out);
    Ok(())
}

fn put<F: Format>(bytes: &[u8], mode: BinaryMode, scratch: &mut Scratch, out: &mut Vec<u8>) {
    let (engine, characters) = match mode {
        BinaryMode::Bytes => return F::bytes(bytes.len(), bytes.iter().copied(), out),
        BinaryMode::Hex => return put_hexadecimal::<F>(bytes, scratch, out),
        BinaryMode::Base64 => (&STANDARD, base64::encoded_len(bytes.len(), true)),
        BinaryMode::Base64UrlSafe => (&URL_SAFE, base64::encoded_len(bytes.len(), true)),
    };
    let text = &mut scratch.text;
    text.clear();
    text.resize(characters.expect("no memory is so long"), 0);
    let written = engine.encode_slice(bytes, text);
    written.expect("there is room for as many characters as were asked for");
    F::string(text, out);
}

fn put_hexadecimal<F: Format>(bytes: &[u8], scratch: &mut Scratch, out: &mut Vec<u8>) {
    let text = &mut scratch.text;
    text.clear();
    text.extend(
        bytes
            .iter()
            .flat_map(|byte| [digit(byte >> 4), digit(byte & 0x0F)]),
    );
    F::string(text, out);
}

/// Hexadecimal digit of a number below sixteen.
fn digit(number: u8) -> u8 {
    if number < 10 {
        b'0' + number
    } else {
        b'a' + number - 10
    }
}

/// Schema of bytes in the form of `mode`.
pub(super) fn schema(mode: BinaryMode) -> ConnectSchema {
    match mode {
        BinaryMode::Bytes => Kind::Bytes.into(),
        BinaryMode::Base64 | BinaryMode::Base64UrlSafe | BinaryMode::Hex => Kind::String.into(),
    }
}

/// Appends a substitute without encoding it.
pub(super) fn put_substitute<F: Format>(substitute: &[u8], mode: BinaryMode, out: &mut Vec<u8>) {
    match mode {
        BinaryMode::Bytes => F::bytes(substitute.len(), substitute.iter().copied(), out),
        BinaryMode::Base64 | BinaryMode::Base64UrlSafe | BinaryMode::Hex => F::string(substitute, out),
    }
}
