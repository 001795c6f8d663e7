//! Admin token: required for reads from other machines, and for every request that changes state.

use std::net::SocketAddr;

use axum::http::{HeaderMap, header};
use walcast_mapper::Secret;

use super::rejected::Rejected;

/// Access rules of the admin port.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    token: Option<Secret>,
    is_loopback: bool,
}

impl Access {
    /// Access with the token of the configuration, or the stored token; `None` where there is neither.
    pub(crate) fn new(token: Option<Secret>, listen: SocketAddr) -> Self {
        Self {
            token,
            is_loopback: listen.ip().is_loopback(),
        }
    }

    /// Checks whether metrics and status may be read: always on loopback, with the token on other addresses.
    pub(super) fn check_reader(&self, headers: &HeaderMap) -> Result<(), Rejected> {
        if self.is_loopback {
            return Ok(());
        }
        self.check(headers)
    }

    /// Checks the token. Other users of this machine, containers of the same pod and forwarded ports reach loopback as well, so
    /// loopback is no exception.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Rejected> {
        let Some(token) = &self.token else {
            return Err(Rejected::NoneSet);
        };
        let mut shown = headers.get_all(header::AUTHORIZATION).iter();
        match (shown.next(), shown.next()) {
            (Some(shown), None) => shown.as_bytes().strip_prefix(b"Bearer "),
            _ => None,
        }
        .filter(|shown| is_same(shown, token.reveal().as_bytes()))
        .map(|_| ())
        .ok_or(Rejected::NoToken)
    }

    /// Whether `shown` is the token.
    pub(super) fn is_token(&self, shown: &[u8]) -> bool {
        let token = self.token.as_ref();
        token.is_some_and(|token| is_same(shown, token.reveal().as_bytes()))
    }
}

/// Compares in constant time.
fn is_same(shown: &[u8], token: &[u8]) -> bool {
    let differing = shown.iter().zip(token).fold(0, |all, (a, b)| all | (a ^ b));
    shown.len() == token.len() && differing == 0 && !token.is_empty()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn access(token: Option<&str>, listen: &str) -> Access {
        Access::new(token.map(Secret::new), listen.parse().unwrap())
    }

    fn headers(shown: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for shown in shown {
            headers.append(header::AUTHORIZATION, HeaderValue::from_str(shown).unwrap());
        }
        headers
    }

    #[test]
    fn every_client_may_read_on_loopback() {
        let may_read =
            |token: Option<&str>, listen: &str| access(token, listen).check_reader(&HeaderMap::new());
        assert_eq!(may_read(None, "127.0.0.1:1"), Ok(()));
        assert_eq!(may_read(Some("s3cret"), "[::1]:1"), Ok(()));
        assert_eq!(may_read(Some("s3cret"), "0.0.0.0:1"), Err(Rejected::NoToken));
        assert_eq!(may_read(None, "10.0.0.1:1"), Err(Rejected::NoneSet));
    }

    #[test]
    fn a_change_requires_the_token_on_every_address() {
        for listen in ["127.0.0.1:1", "[::1]:1", "0.0.0.0:1"] {
            assert_eq!(
                access(None, listen).check(&headers(&["Bearer s3cret"])),
                Err(Rejected::NoneSet)
            );
            let access = access(Some("s3cret"), listen);
            assert_eq!(access.check(&headers(&["Bearer s3cret"])), Ok(()));
            for shown in [
                &[][..],
                &["Bearer s3cre"],
                &["Bearer s3creT"],
                &["Bearer s3cret "],
                &["Bearer s3cret1"],
                &["bearer s3cret"],
                &["Bearer"],
                &["Basic s3cret"],
                &["Bearer s3cret", "Bearer s3cret"],
            ] {
                assert_eq!(
                    access.check(&headers(shown)),
                    Err(Rejected::NoToken),
                    "{listen} {shown:?}"
                );
            }
        }
        let empty = access(Some(""), "127.0.0.1:1");
        assert_eq!(empty.check(&headers(&["Bearer "])), Err(Rejected::NoToken));
    }
}
