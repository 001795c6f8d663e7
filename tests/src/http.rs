//! One HTTP request, answer and status as they come: also those that no well-behaved client would ask for.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status, such as 200.
    pub status: u16,
    /// The header lines.
    pub head: String,
    /// What follows them.
    pub body: String,
}

/// Sends a request with a JSON body (or none) to an `http://host:port/path` address; panics without an answer.
pub async fn http(method: &str, url: &str, body: &str) -> Answer {
    http_with(method, url, "", body).await
}

/// The same with more header lines, each with its end.
pub async fn http_with(method: &str, url: &str, headers: &str, body: &str) -> Answer {
    let rest = url.strip_prefix("http://").expect("an http address");
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let request = format!(
        "{method} /{path} HTTP/1.0\r\nHost: {authority}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n{headers}\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(authority).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").expect("headers and a body");
    let status = head
        .split_whitespace()
        .nth(1)
        .and_then(|status| status.parse().ok());
    Answer {
        status: status.unwrap_or_else(|| panic!("no status in {head:?}")),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}
