//! Connection strings without their password, for files that are no secret.

use std::collections::BTreeMap;

use super::conninfo::Parameters;
use super::conninfo_error::ConninfoError;

/// The same connection string as a URL without a password. A text without a password is returned unchanged.
///
/// # Errors
/// A text that is neither a URL nor `key=value` pairs, or an unknown or unsupported parameter.
pub(super) fn without_password(text: &str) -> Result<String, ConninfoError> {
    let mut given: BTreeMap<&str, String> = Parameters::parse(text)?.into_pairs().collect();
    // An empty password may follow another one in the same text, of which only the last counts.
    if given.remove("password").is_none() {
        return Ok(text.to_owned());
    }
    let mut url = "postgres://".to_owned();
    if let Some(user) = given.remove("user") {
        url.push_str(&encoded(&user));
        url.push('@');
    }
    if let Some(authority) = authority(given.get("host"), given.get("port")) {
        url.push_str(&authority);
        given.remove("host");
        given.remove("port");
    }
    if let Some(database) = given.remove("dbname") {
        url.push('/');
        url.push_str(&encoded(&database));
    }
    for (index, (name, value)) in given.iter().enumerate() {
        url.push(if index == 0 { '?' } else { '&' });
        url.push_str(&format!("{name}={}", encoded(value)));
    }
    Ok(url)
}

/// `host:port,…`, if the hosts are plain names; other hosts are parameters, which take any text.
fn authority(host: Option<&String>, port: Option<&String>) -> Option<String> {
    let hosts: Vec<&str> = host?.split(',').collect();
    let ports: Vec<&str> = port.map(|port| port.split(',').collect()).unwrap_or_default();
    let is_plain = |text: &&str| !text.is_empty() && text.bytes().all(is_unreserved);
    let is_number = |port: &&str| port.bytes().all(|byte| byte.is_ascii_digit());
    // A list of empty ports has no other form than the parameter.
    let has_port = ports.iter().any(|port| !port.is_empty());
    let fits = ports.is_empty() || (has_port && ports.len() == hosts.len());
    if !(fits && hosts.iter().all(is_plain) && ports.iter().all(is_number)) {
        return None;
    }
    let with_port = hosts.iter().enumerate().map(|(index, host)| {
        let port = ports.get(index).filter(|port| !port.is_empty());
        port.map_or_else(|| (*host).to_owned(), |port| format!("{host}:{port}"))
    });
    Some(with_port.collect::<Vec<String>>().join(","))
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if is_unreserved(byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_password_is_left_out() {
        for (text, without) in [
            (
                "postgres://walcast@db/shop?sslmode=require",
                "postgres://walcast@db/shop?sslmode=require",
            ),
            ("host=db user=walcast", "host=db user=walcast"),
            (
                "postgres://walcast:geheim@db:5433/shop?sslmode=require",
                "postgres://walcast@db:5433/shop?sslmode=require",
            ),
            (
                "postgres://walcast:geheim@db/shop?password=",
                "postgres://walcast@db/shop",
            ),
            ("password=geheim host=db password=''", "postgres://db"),
            (
                "postgres://walcast:p@ss/word@a:1,b/shop",
                "postgres://walcast@a:1,b/shop",
            ),
            (
                "postgres://db/shop?user=walcast&password=geheim",
                "postgres://walcast@db/shop",
            ),
            (
                "host=/run/postgresql dbname='my shop' password=geheim",
                "postgres:///my%20shop?host=%2Frun%2Fpostgresql",
            ),
            (
                "postgres://walcast:geheim@[::1]:5433/shop",
                "postgres://walcast@/shop?host=%3A%3A1&port=5433",
            ),
        ] {
            assert_eq!(without_password(text).unwrap(), without, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_other_parameter_is_kept(
            user in "[^\\x00]{1,12}",
            password in "[^\\x00]{1,12}",
            host in "[^\\x00]{1,12}",
            port in "[0-9,]{1,6}",
            database in "[^\\x00]{1,12}",
            name in "[^\\x00]{1,12}",
        ) {
            let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
            let text = format!(
                "user={} password={} host={} port={port} dbname={} application_name={}",
                quoted(&user), quoted(&password), quoted(&host), quoted(&database), quoted(&name)
            );
            let mut expected: BTreeMap<&str, String> = Parameters::parse(&text).unwrap().into_pairs().collect();
            expected.remove("password");
            let without = without_password(&text).unwrap();
            let found: BTreeMap<&str, String> = Parameters::parse(&without).unwrap().into_pairs().collect();
            prop_assert_eq!(found, expected, "{}", without);
        }
    }
}
