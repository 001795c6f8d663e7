//! Check that rejects requests of web pages.
//!
//! No web page is a client of the connector, so every request whose headers show that a page sent it is rejected.
//! Fetch metadata: <https://www.w3.org/TR/fetch-metadata/>.

use axum::http::{HeaderMap, HeaderName, header};

use super::rejected::Rejected;

/// Relation of the page that sends the request to the connector, as the browser reports it.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Rejects requests of pages. A browser in which a user enters the address sends `none`, and may read.
pub(super) fn check(headers: &HeaderMap) -> Result<(), Rejected> {
    let is_own = |site: &[u8]| matches!(site, b"none" | b"same-origin");
    let mut sites = headers.get_all(SEC_FETCH_SITE).iter();
    if headers.contains_key(header::ORIGIN) || !sites.all(|site| is_own(site.as_bytes())) {
        return Err(Rejected::CrossSite);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn requests_of_web_pages_are_rejected() {
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
            (&[("origin", "http://evil.example")], rejected),
            (&[("origin", "http://localhost:8080")], rejected),
            (&[("origin", "null")], rejected),
            (&[("origin", ""), ("sec-fetch-site", "none")], rejected),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            assert_eq!(check(&map), wanted, "{headers:?}");
        }
    }
}
