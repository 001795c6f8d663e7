//! Middleware that checks a registry's responses before they are decoded: their size is bounded, and redirects are errors.

use reqwest::header::LOCATION;
use reqwest::{Request, Response, Url};
use reqwest_middleware::{Error, Middleware, Next, Result};
use schema_registry_converter::schema_registry_common::RawError;

/// Size limit of a response. The largest response is a table's schema: 1,600 columns are below 1 MB.
pub(super) const RESPONSE_BYTES_MAX: usize = 8 << 20;

/// Response that is no success.
#[derive(Debug, thiserror::Error)]
pub(super) enum ResponseError {
    /// The response is a redirect.
    #[error("redirected to {to} (status {status})")]
    Redirected { status: u16, to: String },
    /// The response exceeds the size limit.
    #[error("the response is longer than {RESPONSE_BYTES_MAX} bytes")]
    Oversized,
    /// The registry returned an error status.
    #[error("status {status}")]
    Status {
        status: u16,
        /// Code of the error, if the body is an error of a schema registry; 0 otherwise.
        code: u32,
        /// Message, if the body is an error of a schema registry.
        message: Option<String>,
    },
}

/// Middleware that reads responses up to [`RESPONSE_BYTES_MAX`], and turns unsuccessful ones into an [`ResponseError`].
pub(super) struct BoundedResponses;

#[async_trait::async_trait]
impl Middleware for BoundedResponses {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut http::Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let requested = request.url().clone();
        let mut response = next.run(request, extensions).await?;
        let status = response.status();
        if status.is_redirection() {
            return Err(Error::middleware(ResponseError::Redirected {
                status: status.as_u16(),
                to: destination(&requested, &response),
            }));
        }
        let body = read(&mut response).await?;
        if !status.is_success() {
            let error = serde_json::from_slice::<RawError>(&body).ok();
            let error = error.filter(|error| error.error_code != 0);
            return Err(Error::middleware(ResponseError::Status {
                status: status.as_u16(),
                code: error.as_ref().map_or(0, |error| error.error_code),
                message: error.map(|error| error.message),
            }));
        }
        let mut bounded = http::Response::new(body);
        *bounded.status_mut() = status;
        Ok(bounded.into())
    }
}

/// Reads a body in chunks: the length in the header need not be the length of the body.
async fn read(response: &mut Response) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > RESPONSE_BYTES_MAX {
            return Err(Error::middleware(ResponseError::Oversized));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Host and port of a redirect; the rest of the URL may hold anything, secrets included.
fn destination(requested: &Url, response: &Response) -> String {
    let location = response
        .headers()
        .get(LOCATION)
        .and_then(|value| value.to_str().ok());
    let Some(to) = location.and_then(|location| requested.join(location).ok()) else {
        return "nowhere".to_owned();
    };
    match (to.host_str(), to.port_or_known_default()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => "an address without a host".to_owned(),
    }
}
