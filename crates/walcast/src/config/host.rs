//! Hosts in the `Host` header and in `[admin] allowed_hosts`.

use std::net::{IpAddr, Ipv6Addr};

/// Maximum length of a DNS name (RFC 1035).
const NAME_BYTES_MAX: usize = 253;

/// A DNS name in lower case without the final dot, or an IP address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Host {
    /// A DNS name.
    Name(String),
    /// An IP address; an IPv4-mapped IPv6 address is converted to the IPv4 address.
    Address(IpAddr),
}

impl Host {
    /// Parses a host without a port; brackets around an IPv6 address are optional.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let unbracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if let Some(address) = unbracketed {
            return address
                .parse::<Ipv6Addr>()
                .ok()
                .map(|ip| Self::address(ip.into()));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(Self::address(address));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let is_label = |label: &str| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        let is_name = name.len() <= NAME_BYTES_MAX && name.split('.').all(is_label);
        is_name.then(|| Self::Name(name.to_ascii_lowercase()))
    }

    /// Parses the host of `host`, `host:port` or `[address]:port`. User information, a path, or an invalid port is rejected.
    pub(crate) fn of_authority(authority: &str) -> Option<Self> {
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (authority, None),
        };
        // RFC 3986 allows an empty port.
        let is_port = |port: &str| {
            port.is_empty() || (port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok())
        };
        // An IPv6 address without brackets cannot be separated from its port.
        if host.contains(':') && !host.starts_with('[') {
            return None;
        }
        if port.is_some_and(|port| !is_port(port)) {
            return None;
        }
        Self::parse(host)
    }

    fn address(address: IpAddr) -> Self {
        Self::Address(address.to_canonical())
    }
}

#[cfg(test)]
mod tests {
    use super::Host;

    fn shown(authority: &str) -> String {
        match Host::of_authority(authority) {
            None => "none".to_owned(),
            Some(Host::Name(name)) => format!("name {name}"),
            Some(Host::Address(address)) => format!("address {address}"),
        }
    }

    #[test]
    fn authorities_are_split_as_rfc_3986_says() {
        for (authority, expected) in [
            ("localhost", "name localhost"),
            ("LocalHost:8080", "name localhost"),
            ("shop.example.:8080", "name shop.example"),
            ("walcast_0:", "name walcast_0"),
            ("127.0.0.1:8080", "address 127.0.0.1"),
            ("[::1]", "address ::1"),
            ("[::1]:8080", "address ::1"),
            ("[::ffff:127.0.0.1]:8080", "address 127.0.0.1"),
            // Browsers parse these as addresses; clients do not need these forms.
            ("127.1:8080", "name 127.1"),
            ("0x7f000001", "name 0x7f000001"),
            ("", "none"),
            (":8080", "none"),
            ("::1", "none"),
            ("::1:8080", "none"),
            ("[::1", "none"),
            ("[::1]x:1", "none"),
            ("[localhost]:1", "none"),
            ("[fe80::1%eth0]:1", "none"),
            ("localhost:http", "none"),
            ("localhost:65536", "none"),
            ("localhost:+1", "none"),
            ("localhost@evil.example", "none"),
            ("user:secret@localhost:1", "none"),
            ("localhost, evil.example", "none"),
            ("localhost/evil", "none"),
            ("local host", "none"),
            (" localhost", "none"),
            ("evil..example", "none"),
            ("l\u{f6}calhost", "none"),
        ] {
            assert_eq!(shown(authority), expected, "{authority:?}");
        }
    }

    #[test]
    fn a_host_alone_may_be_an_address_without_brackets() {
        assert_eq!(Host::parse("::1"), Host::of_authority("[::1]:1"));
        assert_eq!(Host::parse("localhost:1"), None);
        assert_eq!(Host::parse(&"a".repeat(254)), None);
    }
}
