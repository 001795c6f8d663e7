//! Primitives of [Avro's binary encoding][1], appended to a buffer.
//!
//! [1]: https://avro.apache.org/docs/1.12.0/specification/#binary-encoding

/// An `int` or `long`: zigzag, then seven bits a byte, least significant first.
#[inline]
pub(crate) fn put_long(value: i64, out: &mut Vec<u8>) {
    let mut left = ((value << 1) ^ (value >> 63)).cast_unsigned();
    if left < 0x80 {
        out.push(low_byte(left));
        return;
    }
    let mut digits = [0u8; LONG_BYTES_MAX];
    let mut used = 0;
    for digit in &mut digits {
        used += 1;
        *digit = low_byte(left & 0x7F);
        left >>= 7;
        if left == 0 {
            break;
        }
        *digit |= 0x80;
    }
    out.extend_from_slice(digits.get(..used).unwrap_or_default());
}

/// A `long` has at most this many bytes: 64 bits, seven a byte.
const LONG_BYTES_MAX: usize = 10;

/// A length or a count. Anything held in memory fits an `i64`.
#[inline]
pub(crate) fn put_length(length: usize, out: &mut Vec<u8>) {
    put_long(
        i64::try_from(length).expect("no memory is longer than an i64 can count"),
        out,
    );
}

/// `bytes` or a `string`.
#[inline]
pub(crate) fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_length(bytes.len(), out);
    out.extend_from_slice(bytes);
}

/// The index of the first branch of a union.
pub(crate) const FIRST_BRANCH: u8 = 0x00;
/// The index of the second branch of a union.
pub(crate) const SECOND_BRANCH: u8 = 0x02;
/// The end of an array or a map.
pub(crate) const BLOCKS_END: u8 = 0x00;

#[inline]
fn low_byte(value: u64) -> u8 {
    value.to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use super::{LONG_BYTES_MAX, put_long};

    /// Reads back a long that [`put_long`] wrote and returns the bytes after it; `None` when the bytes end early.
    fn take_long(bytes: &[u8]) -> Option<(i64, &[u8])> {
        let mut value = 0u64;
        for (index, byte) in bytes.iter().take(LONG_BYTES_MAX).enumerate() {
            value |= u64::from(byte & 0x7F) << (7 * index);
            if byte & 0x80 == 0 {
                let zigzag = (value >> 1).cast_signed() ^ -((value & 1).cast_signed());
                return Some((zigzag, bytes.get(index + 1..)?));
            }
        }
        None
    }

    #[test]
    fn longs_are_what_the_specification_shows() {
        for (value, bytes) in [
            (0, "00"),
            (-1, "01"),
            (1, "02"),
            (-64, "7f"),
            (64, "8001"),
            (i64::MIN, "ffffffffffffffffff01"),
        ] {
            let mut out = Vec::new();
            put_long(value, &mut out);
            let hex: String = out.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, bytes);
        }
    }

    proptest::proptest! {
        #[test]
        fn longs_come_back(value: i64) {
            let mut out = Vec::new();
            put_long(value, &mut out);
            out.push(7);
            proptest::prop_assert_eq!(take_long(&out), Some((value, [7u8].as_slice())));
        }
    }
}
