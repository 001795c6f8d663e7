use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::{AuthPolicy, Login};

/// A connection over a network to an unverified server.
fn policy(required: Option<&str>) -> AuthPolicy {
    AuthPolicy {
        endpoint: "db:5432".to_owned(),
        required: required.map(|text| text.parse().unwrap()),
        is_unverified: true,
        is_encrypted: false,
        mode: "prefer",
    }
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[tag][..], &length, body].concat()
}

fn request(kind: u32) -> Vec<u8> {
    message(b'R', &kind.to_be_bytes())
}

/// Result for bytes that arrive in pieces of this size.
fn inspect(policy: AuthPolicy, stream: &[u8], piece: usize) -> String {
    let mut login = Login::new(policy);
    for arrived in stream.chunks(piece) {
        match login.inspect(arrived) {
            Ok(None) => {}
            Ok(Some(_)) => return "ready".to_owned(),
            Err(fault) => return fault.to_string(),
        }
    }
    "more is wanted".to_owned()
}

fn check(policy: AuthPolicy, stream: &[u8], expected: &Expect) {
    let whole = inspect(policy.clone(), stream, stream.len());
    for piece in [1, 2, 3, 7] {
        assert_eq!(
            inspect(policy.clone(), stream, piece),
            whole,
            "in pieces of {piece}"
        );
    }
    expected.assert_eq(&whole);
}

#[test]
fn an_ordinary_login_passes() {
    let settings = message(b'S', b"server_version\x0017.6\0");
    let key = message(b'K', b"12345678");
    let ready = message(b'Z', b"I");
    let scram = [
        message(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0"),
        message(b'R', b"\0\0\0\x0br=1"),
        message(b'R', b"\0\0\0\x0cv=2"),
    ]
    .concat();
    for required in [None, Some("scram-sha-256"), Some("!password,!md5,!none")] {
        let stream = [
            &*scram,
            &request(0),
            &settings,
            &settings,
            &key,
            &ready,
            b"anything",
        ]
        .concat();
        check(policy(required), &stream, &expect!["ready"]);
    }
    check(policy(None), &settings, &expect!["more is wanted"]);
}

#[test]
fn the_password_is_not_sent_to_an_unverified_server() {
    let refused = expect![
        "asks for the password in cleartext, but sslmode=prefer does not verify that it is the right server, so the password is not sent; use scram-sha-256 in pg_hba.conf, or set sslmode=verify-full and sslrootcert, or allow it with require_auth=password in the connection string"
    ];
    check(policy(None), &request(3), &refused);
    check(policy(Some("!md5")), &request(3), &refused);
    check(
        AuthPolicy {
            is_encrypted: true,
            ..policy(None)
        },
        &request(3),
        &refused,
    );
    let allowed = expect!["more is wanted"];
    check(policy(Some("scram-sha-256,password")), &request(3), &allowed);
    check(
        AuthPolicy {
            is_unverified: false,
            ..policy(None)
        },
        &request(3),
        &allowed,
    );
    check(policy(None), &request(5), &allowed);
}

#[test]
fn require_auth_limits_the_methods_that_a_server_may_request() {
    let scram = Some("scram-sha-256");
    check(
        policy(scram),
        &request(5),
        &expect![
            "asks for md5 authentication, but require_auth=scram-sha-256 does not allow that; change the method in pg_hba.conf, or require_auth in the connection string"
        ],
    );
    check(
        policy(scram),
        &request(0),
        &expect![
            "lets the role in without authentication, but require_auth=scram-sha-256 does not allow that; change the method in pg_hba.conf, or require_auth in the connection string"
        ],
    );
    check(policy(Some("none")), &request(0), &expect!["more is wanted"]);
    check(
        policy(Some("none")),
        &request(7),
        &expect![
            "asks for gss authentication, but require_auth=none does not allow that; change the method in pg_hba.conf, or require_auth in the connection string"
        ],
    );
    // A second request is checked like the first.
    let stream = [message(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0"), request(3)].concat();
    check(
        policy(scram),
        &stream,
        &expect![
            "asks for password authentication, but require_auth=scram-sha-256 does not allow that; change the method in pg_hba.conf, or require_auth in the connection string"
        ],
    );
}

#[test]
fn rejects_excessive_lengths() {
    let announced = |tag: u8, length: u32| [&[tag][..], &length.to_be_bytes()].concat();
    check(
        policy(None),
        &announced(b'E', 0x7fff_ffff),
        &expect![
            "sent message 'E' of 2147483647 bytes before the login ended, where at most 30000 are allowed; is this a Postgres server?"
        ],
    );
    check(policy(None), &announced(b'E', 30_000), &expect!["more is wanted"]);
    check(
        policy(None),
        &announced(b'R', 2_001),
        &expect![
            "sent message 'R' of 2001 bytes before the login ended, where at most 2000 are allowed; is this a Postgres server?"
        ],
    );
    // A login trigger may send longer messages.
    let stream = [request(0), announced(b'N', 30_001)].concat();
    check(policy(None), &stream, &expect!["more is wanted"]);
    let stream = [request(0), announced(b'N', 0xffff_ffff)].concat();
    check(
        policy(None),
        &stream,
        &expect![
            "sent message 'N' of 4294967295 bytes before the login ended, where at most 1048576 are allowed; is this a Postgres server?"
        ],
    );
}

#[test]
fn rejects_endless_messages() {
    let many = |count, body: &[u8]| [request(0), message(b'N', body).repeat(count)].concat();
    let too_much = expect![
        "sent more than 1000 messages or 1048576 bytes before the login ended; is this a Postgres server?"
    ];
    check(policy(None), &many(999, b"\0"), &expect!["more is wanted"]);
    check(policy(None), &many(1_000, b"\0"), &too_much);
    check(
        policy(None),
        &many(36, &[b'x'; 29_000]),
        &expect!["more is wanted"],
    );
    check(policy(None), &many(37, &[b'x'; 29_000]), &too_much);
}

proptest! {
    /// The result does not depend on the pieces, and no bytes cause a panic.
    #[test]
    fn any_bytes_are_judged_alike_in_any_pieces(
        tags in proptest::collection::vec(proptest::sample::select(b"RRRSNEZK".to_vec()), 0..6),
        body in proptest::collection::vec(0_u8..12, 0..12),
        cut in any::<proptest::sample::Index>(),
        piece in 1_usize..9,
    ) {
        let mut stream: Vec<u8> = tags.iter().flat_map(|tag| message(*tag, &body)).collect();
        stream.truncate(cut.index(stream.len() + 1));
        let whole = inspect(policy(None), &stream, stream.len().max(1));
        prop_assert_eq!(inspect(policy(None), &stream, piece), whole);
    }
}
