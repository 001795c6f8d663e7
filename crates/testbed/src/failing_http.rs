//! An HTTP server on loopback that gives everybody the same answer: a registry in a bad mood.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::error::{Error, Result};

/// More than any request of a registry client's headers, in bytes.
const REQUEST_BYTES_MAX: usize = 64 * 1024;

/// Answers every request with one status and one JSON body. Dropping it closes the port.
#[derive(Debug)]
pub struct FailingHttp {
    port: u16,
    serving: JoinHandle<()>,
}

impl FailingHttp {
    /// Starts the server, for example with 401 and `{"error_code": 401, "message": "Unauthorized"}`.
    ///
    /// # Errors
    /// When no port can be opened.
    pub async fn start(status: u16, body: &str) -> Result<FailingHttp> {
        let failed = |source| Error::Process {
            action: "open a port for",
            program: "an http server".to_owned(),
            source,
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let answer = format!(
            "HTTP/1.1 {status} Testbed\r\nContent-Type: application/vnd.schemaregistry.v1+json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        Ok(FailingHttp {
            port,
            serving: tokio::spawn(serve(listener, answer)),
        })
    }

    /// Base URL of the server.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for FailingHttp {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, answer: String) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let answer = answer.clone();
        tokio::spawn(async move {
            if let Err(error) = respond(stream, &answer).await {
                tracing::trace!(%error, "a client of the failing http server left");
            }
        });
    }
}

/// Reads the request whole before answering: a client that is still sending could miss the answer.
async fn respond(mut stream: TcpStream, answer: &str) -> std::io::Result<()> {
    read_request(&mut stream).await?;
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

/// Reads a request with its body. A client that leaves earlier ends the request.
pub(crate) async fn read_request(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut request = Vec::new();
    while !is_whole(&request) && request.len() < REQUEST_BYTES_MAX {
        if stream.read_buf(&mut request).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(request)
}

fn is_whole(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return false;
    };
    let (head, rest) = request.split_at(end);
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    rest.len() >= 4 + length.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_request_gets_the_answer() {
        let server = FailingHttp::start(409, "{\"message\":\"incompatible\"}")
            .await
            .unwrap();
        let client = reqwest::Client::new();
        for _ in 0..2 {
            let response = client
                .post(server.url() + "/subjects/s/versions")
                .body("{}")
                .send()
                .await
                .unwrap();
            assert_eq!(response.status().as_u16(), 409);
            assert_eq!(response.text().await.unwrap(), "{\"message\":\"incompatible\"}");
        }
    }

    #[test]
    fn a_request_is_whole_with_its_body() {
        assert!(!is_whole(b"GET / HTTP/1.1\r\nHost: x\r\n"));
        assert!(is_whole(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert!(!is_whole(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{"));
        assert!(is_whole(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"));
    }
}
