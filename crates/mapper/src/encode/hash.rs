//! Salted hashes of text, equal to Debezium's.

use sha2::Digest;

use crate::config::{HashAlgorithm, HashVersion};
use crate::secret::Secret;

/// A hash function with its salt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hash {
    pub(crate) algorithm: HashAlgorithm,
    pub(crate) version: HashVersion,
    pub(crate) salt: Secret,
}

/// Header of a Java object stream: magic number and version.
///
/// See <https://docs.oracle.com/en/java/javase/17/docs/specs/serialization/protocol.html>.
const STREAM: [u8; 4] = [0xAC, 0xED, 0x00, 0x05];
/// Tag of a string with a length of two bytes.
const STRING: u8 = 0x74;
/// Tag of a string with a length of eight bytes.
const LONG_STRING: u8 = 0x7C;

impl Hash {
    /// Hash of a text in hexadecimal digits.
    pub(crate) fn digits(&self, text: &[u8]) -> Vec<u8> {
        match self.algorithm {
            HashAlgorithm::Md5 => self.digest::<md5::Md5>(text),
            HashAlgorithm::Sha1 => self.digest::<sha1::Sha1>(text),
            HashAlgorithm::Sha224 => self.digest::<sha2::Sha224>(text),
            HashAlgorithm::Sha256 => self.digest::<sha2::Sha256>(text),
            HashAlgorithm::Sha384 => self.digest::<sha2::Sha384>(text),
            HashAlgorithm::Sha512 => self.digest::<sha2::Sha512>(text),
            HashAlgorithm::Sha512Cut224 => self.digest::<sha2::Sha512_224>(text),
            HashAlgorithm::Sha512Cut256 => self.digest::<sha2::Sha512_256>(text),
            HashAlgorithm::Sha3x224 => self.digest::<sha3::Sha3_224>(text),
            HashAlgorithm::Sha3x256 => self.digest::<sha3::Sha3_256>(text),
            HashAlgorithm::Sha3x384 => self.digest::<sha3::Sha3_384>(text),
            HashAlgorithm::Sha3x512 => self.digest::<sha3::Sha3_512>(text),
        }
    }

    fn digest<D: Digest>(&self, text: &[u8]) -> Vec<u8> {
        let mut digest = D::new();
        digest.update(self.salt.reveal().as_bytes());
        match self.version {
            HashVersion::V1 => serialize(text, |bytes| digest.update(bytes)),
            HashVersion::V2 => digest.update(text),
        }
        let digit = |nibble: u8| {
            if nibble < 10 {
                b'0' + nibble
            } else {
                b'a' + nibble - 10
            }
        };
        let hash = digest.finalize();
        hash.iter()
            .flat_map(|byte| [digit(byte >> 4), digit(byte & 0xF)])
            .collect()
    }
}

/// Passes the bytes of a text in a Java object stream to `take`, piece by piece.
fn serialize(text: &[u8], mut take: impl FnMut(&[u8])) {
    take(&STREAM);
    let mut length = 0u64;
    modified_utf8(text, |piece| {
        length += u64::try_from(piece.len()).unwrap_or(u64::MAX)
    });
    match u16::try_from(length) {
        Ok(length) => {
            take(&[STRING]);
            take(&length.to_be_bytes());
        }
        Err(_) => {
            take(&[LONG_STRING]);
            take(&length.to_be_bytes());
        }
    }
    modified_utf8(text, take);
}

/// Passes a text in Java's modified UTF-8 to `take`, piece by piece: two bytes for U+0000, and three for each half of
/// a surrogate pair.
fn modified_utf8(text: &[u8], mut take: impl FnMut(&[u8])) {
    // Text that is not UTF-8 was rejected before.
    for character in String::from_utf8_lossy(text).chars() {
        match character {
            '\0' => take(&[0xC0, 0x80]),
            '\u{10000}'.. => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let [high, low] = unit.to_be_bytes();
                    take(&[
                        0xE0 | high >> 4,
                        0x80 | (high & 0xF) << 2 | low >> 6,
                        0x80 | low & 0x3F,
                    ]);
                }
            }
            other => take(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Hash, serialize};
    use crate::config::{HashAlgorithm, HashVersion};
    use crate::secret::Secret;

    fn digits(algorithm: HashAlgorithm, version: HashVersion, salt: &str, text: &str) -> String {
        let salt = Secret::new(salt);
        let hash = Hash {
            algorithm,
            version,
            salt,
        };
        String::from_utf8(hash.digits(text.as_bytes())).unwrap()
    }

    /// The cases of Debezium's `MaskStringsTest` and `PostgresConnectorIT`.
    #[test]
    fn hashes_equal_debeziums() {
        use HashAlgorithm::{Md5, Sha256};
        use HashVersion::{V1, V2};
        for (algorithm, version, salt, text, expected) in [
            (
                Sha256,
                V1,
                "salt",
                "hello",
                "af5843a0f0e728ab0332c8888b6e1190bfb79e584f0d40538de8f10df6ef29c6",
            ),
            (
                Sha256,
                V1,
                "salt",
                "world",
                "4588e1f2dcdc7fefc1515d3acd5acb9033478eace68286f383c337b9ff4464a3",
            ),
            (Md5, V1, "salt", "hello", "46f48a7a5ea32efba87cbff49d46d35a"),
            (Md5, V1, "salt", "world", "030f632140d9c9591b0d8c21098024b8"),
            (
                Sha256,
                V2,
                "salt",
                "hello",
                "cd31b3b98ece60cb739c0bf770b2de892ae0ad133f645513c3d83f08757a843a",
            ),
            (
                Sha256,
                V2,
                "salt",
                "world",
                "e84ac3142870113ddc6710c06f76421befc8e8ca6de64e98d2993ed8d41f4085",
            ),
            (Md5, V2, "salt", "hello", "06decc8b095724f80103712c235586be"),
            (Md5, V2, "salt", "world", "172c8e95398cc72ab5358ead6981e7e5"),
            (
                Sha256,
                V1,
                "CzQMA0cB5K",
                "hello",
                "b4d39ab0d198fb4cac8b2f023da74f670bcaf192dcc79b5d6361b7ae6b2fafdf",
            ),
        ] {
            assert_eq!(
                digits(algorithm, version, salt, text),
                expected,
                "{algorithm:?} {version:?} {text}"
            );
        }
    }

    #[test]
    fn a_text_is_serialized_as_java_does() {
        let serialized = |text: &str| {
            let mut bytes = Vec::new();
            serialize(text.as_bytes(), |piece| bytes.extend_from_slice(piece));
            bytes
        };
        assert_eq!(
            serialized("a\0"),
            [0xAC, 0xED, 0, 5, 0x74, 0, 3, b'a', 0xC0, 0x80]
        );
        assert_eq!(
            serialized("😀"),
            [0xAC, 0xED, 0, 5, 0x74, 0, 6, 0xED, 0xA0, 0xBD, 0xED, 0xB8, 0x80]
        );
        let long = serialized(&"x".repeat(65_536));
        assert!(long.starts_with(&[0xAC, 0xED, 0, 5, 0x7C, 0, 0, 0, 0, 0, 1, 0, 0]));
        assert_eq!(long.len(), 13 + 65_536);
    }
}
