//! Sockets of peers that misbehave, and what `walcast` makes of them.

use std::future::Future;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use walcast_testbed::{ConnectorConfig, ProcessUsage};
use walcast_tests::{Finished, LIMIT, command};

/// How much memory any command may take, whatever comes from outside.
pub(crate) const MEMORY_MAX_BYTES: u64 = 150_000_000;

/// What a peer saw.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    connections: Arc<AtomicU64>,
    bytes_taken: Arc<AtomicU64>,
    /// The process that is looked at, 0 before it runs.
    pid: Arc<AtomicU32>,
    memory_peak: Arc<AtomicU64>,
}

impl Seen {
    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }

    /// Bytes that left this side; what buffers of the system hold is among them.
    pub(crate) fn bytes_taken(&self) -> u64 {
        self.bytes_taken.load(Ordering::SeqCst)
    }

    /// Most memory that the process had while it took something.
    pub(crate) fn memory_peak(&self) -> u64 {
        self.memory_peak.load(Ordering::SeqCst)
    }

    pub(crate) fn took(&self, bytes: usize) {
        self.bytes_taken
            .fetch_add(u64::try_from(bytes).unwrap(), Ordering::SeqCst);
        let pid = self.pid.load(Ordering::SeqCst);
        if let Ok(usage) = ProcessUsage::of(pid) {
            self.memory_peak
                .fetch_max(usage.resident_bytes_peak, Ordering::SeqCst);
        }
    }
}

/// A port on loopback where every connection is dealt with in one way. Dropping it closes everything.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) port: u16,
    pub(crate) seen: Seen,
    _accepting: JoinSet<()>,
}

impl Peer {
    pub(crate) async fn start<F: Future<Output = ()> + Send + 'static>(
        deal: impl Fn(TcpStream, Seen) -> F + Send + 'static,
    ) -> Peer {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Seen::default();
        let counted = seen.clone();
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut dealing = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counted.connections.fetch_add(1, Ordering::SeqCst);
                dealing.spawn(deal(stream, counted.clone()));
            }
        });
        Peer {
            port,
            seen,
            _accepting: accepting,
        }
    }

    /// One that only counts who comes.
    pub(crate) async fn counting() -> Peer {
        Peer::start(|stream, _| async move { drop(stream) }).await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// Reads a request to the end of its head; `None` when the other side left before.
pub(crate) async fn request_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

/// Runs `walcast` to its end with variables of the environment, while a peer looks at its memory.
pub(crate) async fn run_against(
    peer: Option<&Peer>,
    config: &ConnectorConfig,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Finished {
    let folder = tempfile::tempdir().unwrap();
    let path = config.write_to(folder.path()).unwrap();
    let piped = |name: &str| Stdio::from(std::fs::File::create(folder.path().join(name)).unwrap());
    let mut process = command(arguments)
        .env("WALCAST_CONFIG", path)
        .envs(environment.iter().copied())
        .stdout(piped("stdout"))
        .stderr(piped("stderr"))
        .spawn()
        .unwrap();
    if let Some(peer) = peer {
        peer.seen.pid.store(process.id().unwrap(), Ordering::SeqCst);
    }
    let ended = tokio::time::timeout(LIMIT, process.wait()).await;
    let read = |name: &str| {
        let path: &Path = folder.path();
        String::from_utf8_lossy(&std::fs::read(path.join(name)).unwrap()).into_owned()
    };
    let (stdout, stderr) = (read("stdout"), read("stderr"));
    let status = ended.unwrap_or_else(|_| panic!("walcast {arguments:?} did not end:\n{stdout}\n{stderr}"));
    Finished {
        code: status.unwrap().code(),
        stdout,
        stderr,
    }
}

/// Panics when an output holds what a terminal obeys, or what changes the direction of writing.
pub(crate) fn assert_harmless(text: &str) {
    let is_harmful = |character: char| {
        (character.is_control() && character != '\n')
            || matches!(
                character,
                '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            )
    };
    let found = text.chars().find(|character| is_harmful(*character));
    assert_eq!(found, None, "{text:?}");
}
