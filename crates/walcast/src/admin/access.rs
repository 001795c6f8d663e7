//! Who may ask the connector for something.

use std::net::SocketAddr;

use axum::http::{HeaderMap, header};

use crate::config::Secret;

/// What a request has to show.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    token: Option<Secret>,
    is_loopback: bool,
}

/// Why a request is not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// It does not show the token.
    NoToken,
    /// There is none to show, and it may come from anywhere.
    NoneSet,
}

impl Access {
    pub(crate) fn new(token: Option<Secret>, listen: SocketAddr) -> Self {
        Self {
            token,
            is_loopback: listen.ip().is_loopback(),
        }
    }

    /// Whether figures and state may be read.
    pub(super) fn check_reader(&self, headers: &HeaderMap) -> Result<(), Denied> {
        if self.is_loopback {
            return Ok(());
        }
        self.check(headers)
    }

    /// Whether something may be asked for.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Denied> {
        let Some(token) = &self.token else {
            return if self.is_loopback {
                Ok(())
            } else {
                Err(Denied::NoneSet)
            };
        };
        let shown = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        match shown {
            Some(shown) if is_same(shown, token.reveal().as_bytes()) => Ok(()),
            _ => Err(Denied::NoToken),
        }
    }
}

/// Takes the same time wherever the two differ.
fn is_same(shown: &[u8], token: &[u8]) -> bool {
    let differing = shown.iter().zip(token).fold(0, |all, (a, b)| all | (a ^ b));
    shown.len() == token.len() && differing == 0 && !token.is_empty()
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, header};

    use super::{Access, Denied};
    use crate::config::Secret;

    fn check(token: Option<&str>, listen: &str, shown: Option<&str>) -> Result<(), Denied> {
        let mut headers = HeaderMap::new();
        if let Some(shown) = shown {
            headers.insert(header::AUTHORIZATION, HeaderValue::from_str(shown).unwrap());
        }
        Access::new(token.map(Secret::new), listen.parse().unwrap()).check(&headers)
    }

    #[test]
    fn on_loopback_everybody_may_read() {
        let may_read = |token: Option<&str>, listen: &str| {
            Access::new(token.map(Secret::new), listen.parse().unwrap()).check_reader(&HeaderMap::new())
        };
        assert_eq!(may_read(None, "127.0.0.1:1"), Ok(()));
        assert_eq!(may_read(Some("s3cret"), "[::1]:1"), Ok(()));
        assert_eq!(may_read(Some("s3cret"), "0.0.0.0:1"), Err(Denied::NoToken));
        assert_eq!(may_read(None, "10.0.0.1:1"), Err(Denied::NoneSet));
    }

    #[test]
    fn others_than_this_machine_need_a_token() {
        assert_eq!(check(None, "127.0.0.1:1", None), Ok(()));
        assert_eq!(check(None, "[::1]:1", None), Ok(()));
        assert_eq!(check(None, "0.0.0.0:1", None), Err(Denied::NoneSet));
        assert_eq!(check(Some("s3cret"), "0.0.0.0:1", Some("Bearer s3cret")), Ok(()));
        for shown in [
            None,
            Some("Bearer s3cre"),
            Some("Bearer s3creT"),
            Some("Basic s3cret"),
        ] {
            assert_eq!(
                check(Some("s3cret"), "127.0.0.1:1", shown),
                Err(Denied::NoToken),
                "{shown:?}"
            );
        }
        assert_eq!(
            check(Some(""), "127.0.0.1:1", Some("Bearer ")),
            Err(Denied::NoToken)
        );
    }
}
