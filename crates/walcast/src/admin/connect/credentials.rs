//! Credentials of consoles: the token as `Authorization: Bearer`, or as the password of HTTP Basic with any user.

use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::admin::rejected::Rejected;
use crate::admin::token::Access;

/// Checks whether a client may read.
pub(super) fn check(access: &Access, headers: &HeaderMap) -> Result<(), Rejected> {
    let mut authorizations = headers.get_all(header::AUTHORIZATION).iter();
    if let (Some(authorization), None) = (authorizations.next(), authorizations.next())
        && let Some(password) = password(authorization)
        && access.is_token(&password)
    {
        return Ok(());
    }
    access.check_reader(headers)
}

/// Password of HTTP Basic; `None` for another scheme.
fn password(authorization: &HeaderValue) -> Option<Vec<u8>> {
    let encoded = authorization.as_bytes().strip_prefix(b"Basic ")?;
    let credentials = STANDARD.decode(encoded).ok()?;
    let colon = credentials.iter().position(|byte| *byte == b':')?;
    credentials.get(colon + 1..).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use walcast_mapper::Secret;

    use super::*;

    #[test]
    fn the_token_is_accepted_as_a_password() {
        let access = |token: Option<&str>| Access::new(token.map(Secret::new), "0.0.0.0:1".parse().unwrap());
        let check = |access: &Access, authorization: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(
                header::AUTHORIZATION,
                HeaderValue::from_str(authorization).unwrap(),
            );
            check(access, &headers)
        };
        let basic = |credentials: &str| format!("Basic {}", STANDARD.encode(credentials));
        let with_token = access(Some("s3:cret"));
        for accepted in [
            basic("kafbat:s3:cret"),
            basic(":s3:cret"),
            "Bearer s3:cret".to_owned(),
        ] {
            assert_eq!(check(&with_token, &accepted), Ok(()), "{accepted}");
        }
        for rejected in [
            basic("kafbat:s3"),
            basic("s3:cret"),
            basic("kafbat:s3:cret2"),
            basic(""),
            "Basic s3:cret".to_owned(),
        ] {
            assert_eq!(
                check(&with_token, &rejected),
                Err(Rejected::NoToken),
                "{rejected}"
            );
        }
        assert_eq!(check(&access(None), &basic("kafbat:")), Err(Rejected::NoneSet));
        assert_eq!(
            check(&access(Some("")), &basic("kafbat:")),
            Err(Rejected::NoToken)
        );
    }
}
