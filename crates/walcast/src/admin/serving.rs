//! Server of the admin port: accepts connections, closes one where there are too many, and serves the requests of each.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, Id, JoinSet};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use super::certificates::Certificates;
use super::connections::{Phase, Progress, Stage, connection_to_close, overdue};
use super::watched::Watched;

/// Maximum number of headers. Usual clients send five.
const HEADERS_MAX: usize = 64;

/// Maximum size of the request line and the headers. Usual clients send a few hundred bytes; a query may be long.
const HEAD_BYTES_MAX: usize = 32 << 10;

/// Pause after a failed accept, for example because no descriptor was free.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Serves until dropped, which closes every connection.
pub(super) async fn serve(listener: TcpListener, certificates: Option<Certificates>, router: Router) {
    let certificates = certificates.map(Arc::new);
    let mut open = Open::default();
    loop {
        tokio::select! {
            biased;
            // Both futures are cancel-safe.
            true = open.ended() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => {
                    open.make_room(certificates.is_some()).await;
                    open.add(stream, address, certificates.clone(), router.clone());
                }
                // The client has closed the connection.
                Err(error) if is_client_error(&error) => {}
                Err(error) => {
                    warn!(%error, "the admin port cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

fn is_client_error(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}

/// Open connections.
#[derive(Default)]
struct Open {
    tasks: JoinSet<()>,
    stages: HashMap<Id, (watch::Receiver<Stage>, AbortHandle)>,
}

impl Open {
    /// Waits until a connection ends; returns `false` immediately where none is open.
    async fn ended(&mut self) -> bool {
        let ended = match self.tasks.join_next_with_id().await {
            None => return false,
            Some(Ok((id, ()))) => id,
            Some(Err(error)) => error.id(),
        };
        self.stages.remove(&ended);
        true
    }

    /// Closes connections until one more is allowed. The descriptors are closed when the method returns.
    async fn make_room(&mut self, is_tls: bool) {
        loop {
            let stages: Vec<(Id, Stage)> = self
                .stages
                .iter()
                .map(|(id, (stage, _))| (*id, *stage.borrow()))
                .collect();
            let Some(id) = connection_to_close(&stages, is_tls) else {
                return;
            };
            if let Some((_, task)) = self.stages.get(&id) {
                debug!("too many connections to the admin port: the oldest is closed");
                task.abort();
            }
            while self.stages.contains_key(&id) && self.ended().await {}
        }
    }

    fn add(
        &mut self,
        stream: TcpStream,
        address: SocketAddr,
        certificates: Option<Arc<Certificates>>,
        router: Router,
    ) {
        let phase = match certificates {
            Some(_) => Phase::Handshake,
            None => Phase::Idle,
        };
        let (progress, stage) = Progress::new(phase);
        let watched = stage.clone();
        let task = self.tasks.spawn(async move {
            tokio::select! {
                biased;
                phase = overdue(watched) => debug!(%address, ?phase, "a connection to the admin port timed out"),
                () = Box::pin(connection(stream, address, certificates, router, Arc::new(progress))) => {}
            }
        });
        self.stages.insert(task.id(), (stage, task));
    }
}

async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    certificates: Option<Arc<Certificates>>,
    router: Router,
    progress: Arc<Progress>,
) {
    let Some(certificates) = certificates else {
        return answer(stream, router, progress).await;
    };
    let acceptor = TlsAcceptor::from(certificates.current().await);
    match acceptor.accept(stream).await {
        Ok(stream) => {
            progress.handshake_completed();
            answer(stream, router, progress).await;
        }
        Err(error) => debug!(%address, %error, "a TLS handshake failed"),
    }
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    router: Router,
    progress: Arc<Progress>,
) {
    let stream = TokioIo::new(Watched::new(stream, Arc::clone(&progress)));
    let service = Service {
        router: TowerToHyperService::new(router),
        progress,
    };
    let served = http1::Builder::new()
        // Each phase has its own timeout: that of hyper would apply to idle connections too.
        .header_read_timeout(None)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(stream, service)
        .await;
    if let Err(error) = served {
        debug!(%error, "a connection to the admin port ended with an error");
    }
}

/// Router that records requests and responses in the progress of their connection.
struct Service {
    router: TowerToHyperService<Router>,
    progress: Arc<Progress>,
}

impl hyper::service::Service<Request<Incoming>> for Service {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        self.progress.request_received();
        let progress = Arc::clone(&self.progress);
        request.extensions_mut().insert(Arc::clone(&progress));
        let answer = self.router.call(request);
        Box::pin(async move {
            let answer = answer.await;
            progress.answered();
            answer
        })
    }
}
