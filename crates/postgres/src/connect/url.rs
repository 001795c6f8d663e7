//! `postgres://user:password@host:port,host2/database?parameter=value`, percent-encoded.

use super::conninfo_error::ConninfoError;

/// Parses the text after `postgres://` into parameters by name.
pub(super) fn parse(rest: &str) -> Result<Vec<(String, String)>, ConninfoError> {
    let (before_query, query) = match rest.split_once('?') {
        Some((before, query)) => (before, Some(query)),
        None => (rest, None),
    };
    // The user part ends at the last '@' before the path: libpq ends it at the first one, but passwords with an unencoded '@' are
    // common, and no host has one.
    let (authority, database) = match path_start(before_query) {
        Some(slash) => (&before_query[..slash], Some(&before_query[slash + 1..])),
        None => (before_query, None),
    };
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (Some(user), hosts),
        None => (None, authority),
    };

    let mut pairs = Vec::new();
    if let Some(user) = user {
        let (name, password) = match user.split_once(':') {
            Some((name, password)) => (name, Some(password)),
            None => (user, None),
        };
        push(&mut pairs, "user", name)?;
        push(&mut pairs, "password", password.unwrap_or_default())?;
    }
    parse_hosts(hosts, &mut pairs)?;
    push(&mut pairs, "dbname", database.unwrap_or_default())?;
    for parameter in query
        .unwrap_or_default()
        .split('&')
        .filter(|part| !part.is_empty())
    {
        let (name, value) = parameter.split_once('=').ok_or(ConninfoError::Malformed {
            problem: "a parameter after '?' has no '='",
        })?;
        pairs.push((decode(name)?, decode(value)?));
    }
    Ok(pairs)
}

/// Index of the slash before the database; a slash before the '@' belongs to an unencoded password.
fn path_start(before_query: &str) -> Option<usize> {
    let after_user = before_query.rfind('@').map_or(0, |at| at + 1);
    before_query
        .get(after_user..)?
        .find('/')
        .map(|slash| after_user + slash)
}

fn push(pairs: &mut Vec<(String, String)>, name: &str, encoded: &str) -> Result<(), ConninfoError> {
    if !encoded.is_empty() {
        pairs.push((name.to_owned(), decode(encoded)?));
    }
    Ok(())
}

/// Converts `host:port,[::1]:port,…` to libpq's comma-separated lists.
fn parse_hosts(text: &str, pairs: &mut Vec<(String, String)>) -> Result<(), ConninfoError> {
    if text.is_empty() {
        return Ok(());
    }
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    for one in text.split(',') {
        let (host, port) = match one.strip_prefix('[') {
            Some(bracketed) => {
                let (host, after) = bracketed.split_once(']').ok_or(ConninfoError::Malformed {
                    problem: "an IPv6 address has no ']'",
                })?;
                if !(after.is_empty() || after.starts_with(':')) {
                    return Err(ConninfoError::Malformed {
                        problem: "something other than a port follows an IPv6 address",
                    });
                }
                (host, after.strip_prefix(':'))
            }
            None => match one.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (one, None),
            },
        };
        hosts.push(decode(host)?);
        ports.push(decode(port.unwrap_or_default())?);
    }
    if hosts.iter().any(|host| !host.is_empty()) {
        pairs.push(("host".to_owned(), hosts.join(",")));
    }
    if ports.iter().any(|port| !port.is_empty()) {
        pairs.push(("port".to_owned(), ports.join(",")));
    }
    Ok(())
}

fn decode(text: &str) -> Result<String, ConninfoError> {
    const PROBLEM: ConninfoError = ConninfoError::Malformed {
        problem: "'%' is not followed by two hexadecimal digits (write % itself as %25)",
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(PROBLEM);
        };
        bytes.push(u8::try_from(high * 16 + low).map_err(|_| PROBLEM)?);
    }
    let text = String::from_utf8(bytes).map_err(|_| ConninfoError::Malformed {
        problem: "percent-encoded text is not UTF-8",
    })?;
    if text.contains('\0') {
        return Err(ConninfoError::Malformed {
            problem: "%00 is not allowed",
        });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::parse;

    fn check(rest: &str, expected: &Expect) {
        expected.assert_eq(&match parse(rest) {
            Ok(pairs) => {
                let shown: Vec<String> = pairs
                    .iter()
                    .map(|(name, value)| format!("{name}={value}"))
                    .collect();
                shown.join(" ")
            }
            Err(error) => format!("error: {error}"),
        });
    }

    #[test]
    fn every_part_can_be_left_out() {
        check("", &expect![""]);
        check("db", &expect!["host=db"]);
        check("/shop", &expect!["dbname=shop"]);
        check("walcast@", &expect!["user=walcast"]);
        check(
            "walcast:secret@db:5433/shop?sslmode=require&connect_timeout=3",
            &expect![
                "user=walcast password=secret host=db port=5433 dbname=shop sslmode=require connect_timeout=3"
            ],
        );
        check(
            "?host=/run/postgresql&dbname=shop",
            &expect!["host=/run/postgresql dbname=shop"],
        );
    }

    #[test]
    fn hosts_can_be_many() {
        check("a:1,b,[::1]:3/x", &expect!["host=a,b,::1 port=1,,3 dbname=x"]);
        check(
            "%2Frun%2Fpostgresql:5433/x",
            &expect!["host=/run/postgresql port=5433 dbname=x"],
        );
        check(":5433/x", &expect!["port=5433 dbname=x"]);
        check(
            "[::1/x",
            &expect!["error: the connection string is malformed: an IPv6 address has no ']'"],
        );
        check(
            "[::1]x",
            &expect![
                "error: the connection string is malformed: something other than a port follows an IPv6 address"
            ],
        );
    }

    #[test]
    fn text_is_percent_decoded() {
        check(
            "a%40b:p%25%3a%2f@db/d%C3%A9",
            &expect!["user=a@b password=p%:/ host=db dbname=dé"],
        );
        check(
            "a:p@ss/word@db/x",
            &expect!["user=a password=p@ss/word host=db dbname=x"],
        );
        check(
            "a:100%@db",
            &expect![
                "error: the connection string is malformed: '%' is not followed by two hexadecimal digits (write % itself as %25)"
            ],
        );
        check(
            "a%ff@db",
            &expect!["error: the connection string is malformed: percent-encoded text is not UTF-8"],
        );
        check(
            "a%00@db",
            &expect!["error: the connection string is malformed: %00 is not allowed"],
        );
        check(
            "db?sslmode",
            &expect!["error: the connection string is malformed: a parameter after '?' has no '='"],
        );
    }

    proptest! {
        #[test]
        fn any_user_and_password_can_be_written(user in "[^\\x00]{1,12}", password in "[^\\x00]{1,12}") {
            let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
            let pairs = parse(&format!("{}:{}@db/x", encode(&user), encode(&password))).unwrap();
            prop_assert_eq!(&pairs[0].1, &user);
            prop_assert_eq!(&pairs[1].1, &password);
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            if let Err(error) = parse(&text) {
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }
}
