//! A listener in the place of a server that keeps every byte it receives.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::error::{Error, Result};

/// Gives every connection the same first answer, and then listens. Dropping it closes the port.
#[derive(Debug)]
pub struct Eavesdropper {
    port: u16,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
    accepting: JoinHandle<()>,
}

impl Eavesdropper {
    /// Opens a loopback port. `answer` is sent when something was heard, before the connection is closed.
    ///
    /// # Errors
    /// When no port can be opened.
    pub async fn start(answer: &'static [u8]) -> Result<Eavesdropper> {
        let failed = |source| Error::Process {
            action: "open a port for",
            program: "the eavesdropper".to_owned(),
            source,
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let heard = Arc::default();
        Ok(Eavesdropper {
            port,
            accepting: tokio::spawn(accept(listener, answer, Arc::clone(&heard))),
            heard,
        })
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What each connection has sent, in the order in which they came.
    pub fn heard(&self) -> Vec<Vec<u8>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Eavesdropper {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, answer: &'static [u8], heard: Arc<Mutex<Vec<Vec<u8>>>>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let heard = Arc::clone(&heard);
        let number = {
            let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
            heard.push(Vec::new());
            heard.len() - 1
        };
        tokio::spawn(async move {
            if let Err(error) = listen(stream, answer, &heard, number).await {
                tracing::trace!(%error, "the client closed the connection");
            }
        });
    }
}

async fn listen(
    mut stream: TcpStream,
    answer: &[u8],
    heard: &Mutex<Vec<Vec<u8>>>,
    number: usize,
) -> std::io::Result<()> {
    let mut bytes = [0; 4096];
    let mut is_answered = false;
    loop {
        let count = stream.read(&mut bytes).await?;
        if count == 0 {
            return Ok(());
        }
        if let Some(heard) = heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_mut(number)
        {
            heard.extend_from_slice(bytes.get(..count).unwrap_or_default());
        }
        if !is_answered {
            is_answered = true;
            stream.write_all(answer).await?;
            // The other direction stays open: whatever is sent all the same is heard.
            stream.shutdown().await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn hears_every_byte_also_after_the_answer() {
        let eavesdropper = Eavesdropper::start(b"N").await.unwrap();
        let mut stream = TcpStream::connect(("127.0.0.1", eavesdropper.port()))
            .await
            .unwrap();
        stream.write_all(b"first").await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'N');
        stream.write_all(b" and more").await.unwrap();
        stream.shutdown().await.unwrap();
        let is_heard = async || Ok(eavesdropper.heard() == [b"first and more".to_vec()]);
        crate::wait::wait_until("all that was said", std::time::Duration::from_secs(60), is_heard)
            .await
            .unwrap();
    }
}
