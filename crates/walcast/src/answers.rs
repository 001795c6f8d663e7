//! Responses of HTTP servers to which commands send requests: read up to a limit, regardless of `Content-Length`.

use reqwest::Response;

/// Error of reading a response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnswerError {
    /// The connection ended before the response did.
    #[error("the response is incomplete")]
    Cut(#[source] reqwest::Error),
    /// The body is larger than the limit.
    #[error("the response is longer than {limit} bytes, which is the limit")]
    Oversized {
        /// Maximum number of bytes.
        limit: usize,
    },
}

/// Reads the body of a response, of `limit` bytes at most.
pub(crate) async fn body(mut answer: Response, limit: usize) -> Result<Vec<u8>, AnswerError> {
    let mut body = Vec::new();
    while let Some(chunk) = answer
        .chunk()
        .await
        .map_err(|error| AnswerError::Cut(error.without_url()))?
    {
        if body.len() + chunk.len() > limit {
            return Err(AnswerError::Oversized { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_that_ends_early_is_an_error() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            // A socket that is closed with unread bytes in it is reset.
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            let head = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf";
            stream.write_all(head).await.unwrap();
        });
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.get(url).send().await.unwrap();
        let error = body(answer, 1_000).await.unwrap_err();
        assert!(matches!(error, AnswerError::Cut(_)), "{error}");
        served.await.unwrap();
    }

    #[tokio::test]
    async fn a_body_above_the_limit_is_an_error() {
        let answer = |bytes: usize| Response::from(http::Response::new(vec![b'x'; bytes]));
        assert_eq!(body(answer(1_000), 1_000).await.unwrap().len(), 1_000);
        let error = body(answer(1_001), 1_000).await.unwrap_err();
        assert!(error.to_string().contains("longer than 1000 bytes"), "{error}");
    }
}
