//! Check of the `Host` header: the names under which a client may address the connector.
//!
//! A web page whose own name resolves to the connector's address (DNS rebinding) sends that name as `Host`, and the browser
//! treats the connector as the page's own server. Such a page can send neither a name that it does not own nor an address,
//! because a browser does not resolve addresses. So these hosts are accepted:
//!
//! - `localhost`, the host of `[admin] url`, and `[admin] allowed_hosts`, with any port;
//! - where the connector listens on loopback, loopback addresses;
//! - where the connector listens on another address, every IP address, as probes and scrapers of pods send it.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use axum::http::{HeaderMap, HeaderValue, Uri, header};

use super::rejected::Rejected;
use crate::config::{AdminSection, Host};

/// Host names and addresses of a connector.
#[derive(Clone, Debug)]
pub(crate) struct Hosts {
    allowed: BTreeSet<Host>,
    is_loopback: bool,
}

impl Hosts {
    pub(crate) fn new(section: &AdminSection, listen: SocketAddr) -> Self {
        let localhost = Host::Name("localhost".to_owned());
        let allowed = section.allowed_hosts.iter().cloned();
        Self {
            allowed: allowed.chain(section.url_host()).chain([localhost]).collect(),
            is_loopback: listen.ip().is_loopback(),
        }
    }

    /// Whether a request addresses this connector.
    pub(super) fn check(&self, target: &Uri, headers: &HeaderMap) -> Result<(), Rejected> {
        let mut named = headers.get_all(header::HOST).iter();
        let (Some(only), None) = (named.next(), named.next()) else {
            return Err(Rejected::MalformedHost);
        };
        let host = host_of(only).ok_or(Rejected::MalformedHost)?;
        // Clients send an absolute target to proxies only. Servers disagree on which of the two counts if the authority differs
        // from `Host`.
        if let Some(authority) = target.authority()
            && !authority
                .as_str()
                .as_bytes()
                .eq_ignore_ascii_case(only.as_bytes())
        {
            return Err(Rejected::OtherTarget);
        }
        if self.is_ours(&host) {
            Ok(())
        } else {
            Err(Rejected::ForeignHost)
        }
    }

    fn is_ours(&self, host: &Host) -> bool {
        let is_reached_by_address = match host {
            Host::Address(address) => !self.is_loopback || address.is_loopback(),
            Host::Name(_) => false,
        };
        is_reached_by_address || self.allowed.contains(host)
    }
}

fn host_of(value: &HeaderValue) -> Option<Host> {
    Host::of_authority(value.to_str().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: &str = "127.0.0.1:8080";
    const EVERYWHERE: &str = "0.0.0.0:8080";

    fn section() -> AdminSection {
        AdminSection {
            listen: None,
            token: None,
            allowed_hosts: vec![
                Host::parse("walcast.shop.svc").unwrap(),
                Host::parse("10.0.0.9").unwrap(),
            ],
            identity: None,
            client_ca_file: None,
            url: Some("http://shop.example:8080".to_owned()),
            ca_file: None,
            connect_api: false,
        }
    }

    fn check(listen: &str, target: &str, named: &[&str]) -> Result<(), Rejected> {
        let mut headers = HeaderMap::new();
        for host in named {
            headers.append(header::HOST, HeaderValue::from_str(host).unwrap());
        }
        let hosts = Hosts::new(&section(), listen.parse().unwrap());
        hosts.check(&target.parse().unwrap(), &headers)
    }

    #[test]
    fn only_hosts_of_the_connector_are_accepted() {
        let (ours, foreign, malformed) = (Ok(()), Err(Rejected::ForeignHost), Err(Rejected::MalformedHost));
        // The host, then the outcome on loopback and elsewhere.
        for (host, on_loopback, elsewhere) in [
            ("localhost", ours, ours),
            ("LOCALHOST:1", ours, ours),
            ("127.0.0.1:8080", ours, ours),
            ("127.8.0.1", ours, ours),
            ("[::1]:18080", ours, ours),
            ("shop.example", ours, ours),
            ("shop.example:1", ours, ours),
            ("walcast.shop.svc.", ours, ours),
            ("10.0.0.9:8080", ours, ours),
            ("10.0.0.1:8080", foreign, ours),
            ("[2001:db8::1]:8080", foreign, ours),
            ("evil.example", foreign, foreign),
            ("evil.example:8080", foreign, foreign),
            ("localhost.evil.example", foreign, foreign),
            ("shop.example.evil.example", foreign, foreign),
            ("walcast", foreign, foreign),
            ("127.1", foreign, foreign),
            ("0x7f000001", foreign, foreign),
            ("2130706433", foreign, foreign),
            ("localhost@evil.example", malformed, malformed),
            ("user:secret@localhost", malformed, malformed),
            ("localhost, evil.example", malformed, malformed),
            ("", malformed, malformed),
        ] {
            assert_eq!(check(LOOPBACK, "/status", &[host]), on_loopback, "{host:?}");
            assert_eq!(check(EVERYWHERE, "/status", &[host]), elsewhere, "{host:?}");
        }
    }

    #[test]
    fn a_request_names_exactly_one_host() {
        let malformed = Err(Rejected::MalformedHost);
        assert_eq!(check(LOOPBACK, "/status", &[]), malformed);
        assert_eq!(check(LOOPBACK, "/status", &["localhost", "localhost"]), malformed);
        assert_eq!(
            check(LOOPBACK, "/status", &["localhost", "evil.example"]),
            malformed
        );
    }

    #[test]
    fn an_absolute_target_names_the_same_host() {
        let other = Err(Rejected::OtherTarget);
        let localhost = &["localhost:8080"];
        assert_eq!(check(LOOPBACK, "http://localhost:8080/status", localhost), Ok(()));
        assert_eq!(check(LOOPBACK, "http://LOCALHOST:8080/status", localhost), Ok(()));
        assert_eq!(check(LOOPBACK, "http://localhost/status", localhost), other);
        assert_eq!(check(LOOPBACK, "http://evil.example/status", localhost), other);
        assert_eq!(
            check(LOOPBACK, "http://x@localhost:8080/status", localhost),
            other
        );
        assert_eq!(check(LOOPBACK, "evil.example:443", localhost), other);
        let evil = &["evil.example"];
        assert_eq!(
            check(LOOPBACK, "http://evil.example/status", evil),
            Err(Rejected::ForeignHost)
        );
    }
}
