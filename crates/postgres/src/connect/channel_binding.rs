//! `tls-server-end-point`: hash of the server's certificate, by which SCRAM proves that both sides have the same TLS session
//! (RFC 5929, section 4.1).

use sha2::{Digest, Sha256, Sha384, Sha512};

/// Hash of a DER certificate; `None` when its signature algorithm defines no hash, as Ed25519.
pub(super) fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    Some(match signature_algorithm(certificate)? {
        // The RFC replaces MD5 and SHA-1 by SHA-256.
        oid::RSA_MD5 | oid::RSA_SHA1 | oid::ECDSA_SHA1 | oid::RSA_SHA256 | oid::ECDSA_SHA256 => {
            Sha256::digest(certificate).to_vec()
        }
        oid::RSA_SHA384 | oid::ECDSA_SHA384 => Sha384::digest(certificate).to_vec(),
        oid::RSA_SHA512 | oid::ECDSA_SHA512 => Sha512::digest(certificate).to_vec(),
        _ => return None,
    })
}

/// Encoded signature algorithms (RFC 8017 appendix A.2.4, RFC 5758 section 3.2).
mod oid {
    pub(super) const RSA_MD5: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04";
    pub(super) const RSA_SHA1: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05";
    pub(super) const RSA_SHA256: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b";
    pub(super) const RSA_SHA384: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c";
    pub(super) const RSA_SHA512: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d";
    pub(super) const ECDSA_SHA1: &[u8] = b"\x2a\x86\x48\xce\x3d\x04\x01";
    pub(super) const ECDSA_SHA256: &[u8] = b"\x2a\x86\x48\xce\x3d\x04\x03\x02";
    pub(super) const ECDSA_SHA384: &[u8] = b"\x2a\x86\x48\xce\x3d\x04\x03\x03";
    pub(super) const ECDSA_SHA512: &[u8] = b"\x2a\x86\x48\xce\x3d\x04\x03\x04";
}

const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;

/// `Certificate ::= SEQUENCE { tbsCertificate SEQUENCE, signatureAlgorithm SEQUENCE { OBJECT IDENTIFIER, … }, … }`
fn signature_algorithm(certificate: &[u8]) -> Option<&[u8]> {
    let (body, _) = element(certificate, SEQUENCE)?;
    let (_signed_part, rest) = element(body, SEQUENCE)?;
    let (algorithm, _) = element(rest, SEQUENCE)?;
    element(algorithm, OBJECT_IDENTIFIER).map(|(identifier, _)| identifier)
}

/// Content of the first DER element of `bytes`, and the bytes after it.
fn element(bytes: &[u8], wanted_tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[tag, length], mut rest) = bytes.split_first_chunk::<2>()?;
    if tag != wanted_tag {
        return None;
    }
    let mut length = usize::from(length);
    if length >= 0x80 {
        // Long form: the low bits are the number of length bytes. No certificate needs more than four.
        let count = length - 0x80;
        if count == 0 || count > 4 {
            return None;
        }
        let (digits, after) = rest.split_at_checked(count)?;
        length = digits
            .iter()
            .fold(0, |length, digit| length << 8 | usize::from(*digit));
        rest = after;
    }
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{end_point, oid, signature_algorithm};

    /// Outline of a certificate that is signed with the algorithm.
    fn outline(algorithm: &[u8]) -> Vec<u8> {
        let wrap = |tag: u8, content: &[u8]| {
            let length = u16::try_from(content.len()).unwrap().to_be_bytes();
            [&[tag, 0x82][..], &length, content].concat()
        };
        let inner = [wrap(0x30, b"to be signed"), wrap(0x30, &wrap(0x06, algorithm))].concat();
        wrap(0x30, &inner)
    }

    #[test]
    fn hash_is_that_of_the_signature_algorithm() {
        for (algorithm, bytes) in [
            (oid::RSA_MD5, 32),
            (oid::RSA_SHA1, 32),
            (oid::RSA_SHA256, 32),
            (oid::ECDSA_SHA384, 48),
            (oid::RSA_SHA512, 64),
        ] {
            let certificate = outline(algorithm);
            assert_eq!(signature_algorithm(&certificate), Some(algorithm));
            assert_eq!(end_point(&certificate).map(|hash| hash.len()), Some(bytes));
        }
    }

    #[test]
    fn algorithm_without_a_hash_has_no_end_point() {
        assert_eq!(end_point(&outline(b"\x2b\x65\x70")), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(end_point(&bytes).is_none_or(|hash| hash.len() >= 32));
        }
    }
}
