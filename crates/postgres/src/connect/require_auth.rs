//! `require_auth`: authentication methods that a server may request.
//!
//! See <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-REQUIRE-AUTH>.

use std::fmt;
use std::str::FromStr;

use super::conninfo_error::ConninfoError;

/// Authentication method, as `require_auth` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// No request; the server may have verified a client certificate.
    None,
    /// The cleartext password.
    Password,
    /// The MD5 hash of password, role and salt.
    Md5,
    /// SCRAM-SHA-256, with or without channel binding.
    ScramSha256,
    /// GSSAPI, which is not supported.
    Gss,
    /// SSPI, which is not supported.
    Sspi,
    /// OAuth, which is not supported.
    Oauth,
    /// Any other method, which `require_auth` cannot name.
    Unknown,
}

/// Methods by their names in libpq.
const METHODS: [(&str, AuthMethod); 7] = [
    ("none", AuthMethod::None),
    ("password", AuthMethod::Password),
    ("md5", AuthMethod::Md5),
    ("scram-sha-256", AuthMethod::ScramSha256),
    ("gss", AuthMethod::Gss),
    ("sspi", AuthMethod::Sspi),
    ("oauth", AuthMethod::Oauth),
];

impl AuthMethod {
    /// Whether this crate supports the method.
    fn is_supported(self) -> bool {
        match self {
            Self::None | Self::Password | Self::Md5 | Self::ScramSha256 => true,
            Self::Gss | Self::Sspi | Self::Oauth | Self::Unknown => false,
        }
    }
}

impl fmt::Display for AuthMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = METHODS.iter().find(|(_, method)| method == self);
        f.write_str(known.map_or("an unknown", |(name, _)| name))
    }
}

/// Allowed or forbidden methods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequireAuth {
    methods: Vec<AuthMethod>,
    /// Whether the methods are forbidden.
    negated: bool,
    text: String,
}

impl RequireAuth {
    /// Whether the server may request the method.
    pub(super) fn allows(&self, method: AuthMethod) -> bool {
        self.methods.contains(&method) != self.negated
    }

    /// Whether the method is allowed by its name, and not only because others are forbidden.
    pub(super) fn names(&self, method: AuthMethod) -> bool {
        !self.negated && self.methods.contains(&method)
    }
}

/// Text as configured.
impl fmt::Display for RequireAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for RequireAuth {
    type Err = ConninfoError;

    fn from_str(text: &str) -> Result<Self, ConninfoError> {
        let invalid = |wanted| ConninfoError::Invalid {
            name: "require_auth",
            value: text.to_owned(),
            wanted,
        };
        let negated = text.starts_with('!');
        let mut methods = Vec::new();
        for word in text.split(',') {
            if word.starts_with('!') != negated {
                return Err(invalid("a list with ! before each method, or before none"));
            }
            let name = word.strip_prefix('!').unwrap_or(word);
            let found = METHODS.iter().find(|(known, _)| *known == name);
            match found {
                // An unsupported method is never used, so it can be forbidden.
                Some((_, method)) if negated || method.is_supported() => {
                    if methods.contains(method) {
                        return Err(invalid("a list that names each method once"));
                    }
                    methods.push(*method);
                }
                _ => {
                    return Err(invalid(
                        "a comma-separated list of scram-sha-256, md5, password and none (gss, sspi and oauth are not supported)",
                    ));
                }
            }
        }
        Ok(Self {
            methods,
            negated,
            text: text.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::{METHODS, RequireAuth};

    /// Checks the methods that a list allows.
    fn check(text: &str, expected: &Expect) {
        expected.assert_eq(&match text.parse::<RequireAuth>() {
            Ok(list) => {
                let allowed = METHODS.iter().filter(|(_, method)| list.allows(*method));
                let names: Vec<&str> = allowed.map(|(name, _)| *name).collect();
                names.join(" ")
            }
            Err(error) => format!("error: {error}"),
        });
    }

    #[test]
    fn parses_lists_as_libpq_does() {
        check("scram-sha-256", &expect!["scram-sha-256"]);
        check("password,none", &expect!["none password"]);
        check("!password,!md5", &expect!["none scram-sha-256 gss sspi oauth"]);
        check("!gss", &expect!["none password md5 scram-sha-256 sspi oauth"]);
    }

    #[test]
    fn rejects_lists_that_libpq_rejects() {
        check(
            "md5,!password",
            &expect![[
                r#"error: connection parameter require_auth="md5,!password" is invalid: a list with ! before each method, or before none is wanted"#
            ]],
        );
        check(
            "md5,md5",
            &expect![[
                r#"error: connection parameter require_auth="md5,md5" is invalid: a list that names each method once is wanted"#
            ]],
        );
        for rejected in [
            "gss",
            "scram-sha-256,oauth",
            "SCRAM-SHA-256",
            "md5, password",
            "!",
            "trust",
            ",",
        ] {
            assert!(rejected.parse::<RequireAuth>().is_err(), "{rejected}");
        }
    }
}
