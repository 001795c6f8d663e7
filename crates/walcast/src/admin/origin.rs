//! Check that rejects requests of other web pages than the console.
//!
//! The only page that is a client of the connector is the [console](super::console), which the connector serves itself, so a
//! request of a page has to come from the same origin:
//!
//! - `Sec-Fetch-Site`, which browsers send over TLS and to loopback, is `same-origin`, or `none` where a user entered the address;
//! - `Origin`, which browsers send with every request that may change state, names the host of the request. The host is checked
//!   [before](super::host), so that a page whose own name resolves to the connector cannot name it.
//!
//! A link in another page may lead to the console: a navigation of the whole tab shows it to the user and nothing to the page
//! with the link. Fetch metadata: <https://www.w3.org/TR/fetch-metadata/>.

use axum::http::{HeaderMap, HeaderName, Method, header};

use super::console;
use super::rejected::Rejected;

/// Relation of the page that sends the request to the connector, as the browser reports it.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// How the response is used: `navigate` for a page that is opened.
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Where the response is shown: `document` for a tab, another word for a frame.
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Rejects requests of other pages. The host of the request is valid.
pub(super) fn check(method: &Method, path: &str, headers: &HeaderMap) -> Result<(), Rejected> {
    let is_own = |site: &[u8]| matches!(site, b"none" | b"same-origin");
    let mut sites = headers.get_all(SEC_FETCH_SITE).iter();
    let sent_by_own_page = sites.all(|site| is_own(site.as_bytes())) && names_own_origin(headers);
    if sent_by_own_page || opens_console(method, path, headers) {
        Ok(())
    } else {
        Err(Rejected::CrossSite)
    }
}

/// Whether `Origin` is absent, or is the host of the request with one of the schemes of the admin port. A proxy may end TLS, so
/// either scheme is accepted.
fn names_own_origin(headers: &HeaderMap) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let (Some(origin), None) = (origins.next(), origins.next()) else {
        return !headers.contains_key(header::ORIGIN);
    };
    let origin = origin.as_bytes();
    let authority = [&b"http://"[..], b"https://"]
        .into_iter()
        .find_map(|scheme| origin.strip_prefix(scheme));
    match (authority, headers.get(header::HOST)) {
        (Some(authority), Some(host)) => authority.eq_ignore_ascii_case(host.as_bytes()),
        _ => false,
    }
}

/// Whether the request opens the console in a tab, which no page can read.
fn opens_console(method: &Method, path: &str, headers: &HeaderMap) -> bool {
    let is = |name: HeaderName, wanted: &str| {
        let mut values = headers.get_all(name).iter();
        matches!((values.next(), values.next()), (Some(value), None) if value == wanted)
    };
    method == Method::GET
        && console::is_page(path)
        && !headers.contains_key(header::ORIGIN)
        && is(SEC_FETCH_MODE, "navigate")
        && is(SEC_FETCH_DEST, "document")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn checked(
        method: &Method,
        path: &str,
        headers: &[(&'static str, &'static str)],
    ) -> Result<(), Rejected> {
        let mut map = HeaderMap::new();
        map.append(header::HOST, HeaderValue::from_static("localhost:8080"));
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        check(method, path, &map)
    }

    #[test]
    fn only_requests_of_the_own_page_pass() {
        let rejected = Err(Rejected::CrossSite);
        for (headers, wanted) in [
            (&[][..], Ok(())),
            (&[("sec-fetch-site", "none")], Ok(())),
            (&[("sec-fetch-site", "same-origin")], Ok(())),
            (&[("sec-fetch-site", "same-site")], rejected),
            (&[("sec-fetch-site", "cross-site")], rejected),
            (&[("sec-fetch-site", "")], rejected),
            (&[("sec-fetch-site", "None")], rejected),
            (
                &[("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")],
                rejected,
            ),
            (&[("origin", "http://localhost:8080")], Ok(())),
            (&[("origin", "https://LOCALHOST:8080")], Ok(())),
            (&[("origin", "http://localhost")], rejected),
            (&[("origin", "http://localhost:80801")], rejected),
            (&[("origin", "http://localhost:8080/")], rejected),
            (&[("origin", "http://127.0.0.1:8080")], rejected),
            (&[("origin", "ftp://localhost:8080")], rejected),
            (&[("origin", "localhost:8080")], rejected),
            (&[("origin", "http://evil.example")], rejected),
            (&[("origin", "null")], rejected),
            (&[("origin", ""), ("sec-fetch-site", "none")], rejected),
            (
                &[
                    ("origin", "http://localhost:8080"),
                    ("origin", "http://localhost:8080"),
                ],
                rejected,
            ),
            (
                &[
                    ("origin", "http://localhost:8080"),
                    ("sec-fetch-site", "same-site"),
                ],
                rejected,
            ),
        ] {
            for method in [Method::GET, Method::POST] {
                assert_eq!(
                    checked(&method, "/status", headers),
                    wanted,
                    "{method} {headers:?}"
                );
            }
        }
    }

    #[test]
    fn a_link_of_another_page_opens_the_console_alone() {
        let rejected = Err(Rejected::CrossSite);
        let tab = [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        assert_eq!(checked(&Method::GET, "/", &tab), Ok(()));
        assert_eq!(checked(&Method::GET, "/console", &tab), Ok(()));
        assert_eq!(checked(&Method::POST, "/", &tab), rejected);
        for path in ["/status", "/metrics", "/console/main.js", "/api/v1/status"] {
            assert_eq!(checked(&Method::GET, path, &tab), rejected, "{path}");
        }
        let [site, mode, _] = tab;
        assert_eq!(checked(&Method::GET, "/", &[site, mode]), rejected);
        assert_eq!(
            checked(&Method::GET, "/", &[site, mode, ("sec-fetch-dest", "iframe")]),
            rejected
        );
        assert_eq!(
            checked(&Method::GET, "/", &[site, ("sec-fetch-mode", "no-cors"), tab[2]]),
            rejected
        );
        let with_origin = [tab[0], tab[1], tab[2], ("origin", "null")];
        assert_eq!(checked(&Method::GET, "/", &with_origin), rejected);
    }
}
