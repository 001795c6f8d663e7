//! Rejections of requests, and error responses.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use serde_json::json;

/// Reason why a request is rejected before it is routed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rejected {
    /// The `Host` header is missing, repeated or invalid.
    MalformedHost,
    /// The request target and `Host` differ.
    OtherTarget,
    /// `Host` is not a host of this connector.
    ForeignHost,
    /// A web page other than the console sent the request.
    CrossSite,
    /// The request does not contain the token.
    NoToken,
    /// The connector has no token.
    NoneSet,
    /// The body is larger than the limit.
    TooLarge,
}

impl Rejected {
    fn status(self) -> StatusCode {
        match self {
            Rejected::MalformedHost | Rejected::OtherTarget => StatusCode::BAD_REQUEST,
            Rejected::ForeignHost => StatusCode::MISDIRECTED_REQUEST,
            Rejected::CrossSite | Rejected::NoneSet => StatusCode::FORBIDDEN,
            Rejected::NoToken => StatusCode::UNAUTHORIZED,
            Rejected::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        }
    }

    /// Error of the request, and the setting that permits it. The request is not quoted.
    fn text(self) -> &'static str {
        match self {
            Rejected::MalformedHost => "send exactly one Host header, with a host and a port",
            Rejected::OtherTarget => "the request target and the Host header name different hosts",
            Rejected::ForeignHost => {
                "the Host header names a host that is not this connector's: use localhost or an IP address, or add the name to allowed_hosts in [admin]"
            }
            Rejected::CrossSite => "requests of other web pages than the console are rejected",
            Rejected::NoToken => "send the token of [admin] as Authorization: Bearer",
            Rejected::NoneSet => {
                "this request requires a token, and none could be stored at startup: set token or token_file in [admin]"
            }
            Rejected::TooLarge => "the body is too large",
        }
    }
}

impl IntoResponse for Rejected {
    /// Closes the connection as well, because the body has not been read.
    fn into_response(self) -> Response {
        let mut response = error(self.status(), self.text());
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        if self == Rejected::NoToken {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Error response.
pub(super) fn error(code: StatusCode, text: &str) -> Response {
    (code, Json(json!({ "error": text }))).into_response()
}
