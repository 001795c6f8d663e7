//! A proxy before a registry that denies registering schemas: the rights of a connector whose schemas a pipeline registers.

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::error::{Error, Result};
use crate::failing_http::read_request;

const DENIED: &str = r#"{"error_code":40301,"message":"registering is not allowed"}"#;

/// Forwards every request to a registry, except those that register a schema, which get status 403. Dropping it closes the port.
#[derive(Debug)]
pub struct RegistryGuard {
    port: u16,
    serving: JoinHandle<()>,
}

impl RegistryGuard {
    /// Starts the proxy before the registry at this base URL.
    ///
    /// # Errors
    /// When no port can be opened.
    pub async fn start(registry: &str) -> Result<RegistryGuard> {
        let failed = |source| Error::Process {
            action: "open a port for",
            program: "a proxy before the registry".to_owned(),
            source,
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        Ok(RegistryGuard {
            port,
            serving: tokio::spawn(serve(listener, registry.to_owned())),
        })
    }

    /// Base URL of the proxy.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for RegistryGuard {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, registry: String) {
    let client = reqwest::Client::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let (client, registry) = (client.clone(), registry.clone());
        tokio::spawn(async move {
            if let Err(error) = respond(stream, &client, &registry).await {
                tracing::trace!(%error, "a client of the registry's proxy left");
            }
        });
    }
}

async fn respond(mut stream: TcpStream, client: &reqwest::Client, registry: &str) -> std::io::Result<()> {
    let request = read_request(&mut stream).await?;
    let text = String::from_utf8_lossy(&request);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut words = head.split_whitespace();
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let registers = method == "POST"
        && path
            .split('?')
            .next()
            .is_some_and(|path| path.ends_with("/versions"));
    let (status, answer) = if registers {
        (403, DENIED.to_owned())
    } else {
        forward(client, method, &format!("{registry}{path}"), body)
            .await
            .map_err(std::io::Error::other)?
    };
    let head = format!(
        "HTTP/1.1 {status} Testbed\r\nContent-Type: application/vnd.schemaregistry.v1+json\r\nContent-Length: {}\r\nConnection: \
         close\r\n\r\n",
        answer.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

async fn forward(
    client: &reqwest::Client,
    method: &str,
    url: &str,
    body: &str,
) -> reqwest::Result<(u16, String)> {
    let request = if method == "POST" {
        client.post(url).body(body.to_owned())
    } else {
        client.get(url)
    };
    let response = request
        .header("Content-Type", "application/vnd.schemaregistry.v1+json")
        .send()
        .await?;
    Ok((response.status().as_u16(), response.text().await?))
}
