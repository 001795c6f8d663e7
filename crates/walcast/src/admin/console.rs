//! The web console: one page with its style sheet and its modules, which are part of the binary.
//!
//! The files contain no data and are served without the token; everything that the page shows comes from the JSON endpoints,
//! for which the rules of every other client apply. The headers permit the page to load and to request from its own origin only,
//! and no other page to frame it.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

use super::served::Served;

/// What the page may load, request and be framed by. Inline scripts and styles are not permitted.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Headers of each file.
const HEADERS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    // The browser asks each time, and gets the file again only after an upgrade.
    (header::CACHE_CONTROL, "no-cache"),
];

/// Number of bytes of the digest in an entity tag.
const TAG_BYTES: usize = 16;

/// File of the console.
#[derive(Clone, Copy, Debug)]
struct Asset {
    path: &'static str,
    content_type: &'static str,
    text: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! asset {
    ($content_type:expr, $file:literal) => {
        Asset {
            path: concat!("/console/", $file),
            content_type: $content_type,
            text: include_str!(concat!("console/", $file)),
        }
    };
}

/// Paths of the page.
const PAGES: [&str; 2] = ["/", "/console"];

const PAGE: Asset = asset!(HTML, "index.html");

/// Files that the page loads.
const PARTS: [Asset; 13] = [
    asset!(CSS, "console.css"),
    asset!(JAVASCRIPT, "console.js"),
    asset!(JAVASCRIPT, "actions.js"),
    asset!(JAVASCRIPT, "api.js"),
    asset!(JAVASCRIPT, "attention.js"),
    asset!(JAVASCRIPT, "delivery.js"),
    asset!(JAVASCRIPT, "dom.js"),
    asset!(JAVASCRIPT, "format.js"),
    asset!(JAVASCRIPT, "overview.js"),
    asset!(JAVASCRIPT, "plot.js"),
    asset!(JAVASCRIPT, "positions.js"),
    asset!(JAVASCRIPT, "section.js"),
    asset!(JAVASCRIPT, "tables.js"),
];

/// Whether this is the path of the page itself.
pub(super) fn is_page(path: &str) -> bool {
    PAGES.contains(&path)
}

/// Routes of all files.
pub(super) fn router() -> Router<Arc<Served>> {
    let page = PAGES.map(|path| Asset { path, ..PAGE });
    let assets = page.into_iter().chain(PARTS);
    assets.fold(Router::new(), |router, asset| {
        let tag = entity_tag(asset.text);
        let serve = move |headers: HeaderMap| {
            let response = response(asset, &tag, &headers);
            async move { response }
        };
        router.route(asset.path, get(serve))
    })
}

/// Quoted digest of the content.
fn entity_tag(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let digits: String = digest
        .iter()
        .take(TAG_BYTES)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("\"{digits}\"")
}

fn response(asset: Asset, tag: &str, request: &HeaderMap) -> Response {
    let mut response = if is_cached(tag, request) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, asset.content_type)], asset.text).into_response()
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

/// Whether the client has the content with this tag. A proxy that compresses marks the tag as weak.
fn is_cached(tag: &str, request: &HeaderMap) -> bool {
    let values = request.get_all(header::IF_NONE_MATCH).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|known| known.trim())
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_loads_exactly_the_files_that_are_served() {
        let texts = [PAGE].into_iter().chain(PARTS).map(|asset| asset.text);
        let text: String = texts.collect();
        let quoted = text.split(['"', '\'']);
        let is_file = |part: &&str| part.ends_with(".js") || part.ends_with(".css");
        let mut loaded: Vec<String> = quoted
            .filter(is_file)
            .map(|part| {
                let name = part.trim_start_matches("./").trim_start_matches("/console/");
                format!("/console/{name}")
            })
            .collect();
        loaded.sort();
        loaded.dedup();
        let mut served = PARTS.map(|asset| asset.path.to_owned());
        served.sort();
        assert_eq!(loaded, served);
    }

    #[test]
    fn no_file_writes_markup_or_needs_another_origin() {
        for asset in [PAGE].into_iter().chain(PARTS) {
            for refused in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "new Function",
                "style=",
                "onclick=",
                "localStorage",
                "sessionStorage",
                "https://",
            ] {
                assert!(!asset.text.contains(refused), "{}: {refused}", asset.path);
            }
        }
        assert!(!PAGE.text.contains("<script>") && !PAGE.text.contains("<style"));
    }

    #[test]
    fn content_that_the_client_has_is_not_sent_again() {
        let tag = entity_tag("text");
        assert_eq!(tag.len(), 2 + 2 * TAG_BYTES);
        assert_ne!(tag, entity_tag("texts"));
        for (sent, is_known) in [
            (tag.clone(), true),
            (format!("W/{tag}"), true),
            (format!("\"other\", {tag}"), true),
            ("*".to_owned(), true),
            ("\"other\"".to_owned(), false),
            (String::new(), false),
        ] {
            let mut request = HeaderMap::new();
            request.insert(header::IF_NONE_MATCH, HeaderValue::from_str(&sent).unwrap());
            assert_eq!(is_cached(&tag, &request), is_known, "{sent}");
            let response = response(PAGE, &tag, &request);
            let status = if is_known {
                StatusCode::NOT_MODIFIED
            } else {
                StatusCode::OK
            };
            assert_eq!(response.status(), status, "{sent}");
            let headers = response.headers();
            assert_eq!(headers[header::ETAG], *tag);
            assert_eq!(headers[header::CONTENT_SECURITY_POLICY], CONTENT_SECURITY_POLICY);
        }
        assert!(!is_cached(&tag, &HeaderMap::new()));
    }
}
