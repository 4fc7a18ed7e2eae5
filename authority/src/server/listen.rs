//! Sockets: accepts connections, speaks TLS and HTTP/1.1 (RFC 9112) on them within the limits, and stops in good order.

use super::answer::{Front, Peer, router};
use super::identity::IdentityError;
use super::limit::Limits;
use super::log::Kind;
use super::service::Service;
use apdu::crypto::sha256;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

/// The service could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// No threads, no signals.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
    /// TLS.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// A running service, with threads of its own.
pub struct Running {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: JoinHandle<usize>,
}

impl Running {
    /// Listens on `address`, port 0 for any, with a certificate for `names`: DNS names and addresses.
    /// With `signals`, SIGTERM and SIGINT stop it.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(
        address: SocketAddr,
        names: &[String],
        service: Arc<Service>,
        signals: bool,
    ) -> Result<Self, StartError> {
        let today = SystemTime::now().duration_since(UNIX_EPOCH);
        let today = today.map_or(0, |since| since.as_secs());
        let tls = TlsAcceptor::from(Arc::new(service.identity.server(names, today)?));
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(service.limits.operations.saturating_mul(2).max(4))
            .enable_all()
            .build()?;
        let listener = runtime
            .block_on(TcpListener::bind(address))
            .map_err(|source| StartError::Listen { address, source })?;
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        if signals {
            let _inside = runtime.enter();
            let (mut term, mut int) = (
                signal(SignalKind::terminate())?,
                signal(SignalKind::interrupt())?,
            );
            let stop = stop.clone();
            runtime.spawn(async move {
                tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
                tracing::info!("stopping: a signal came");
                let _ = stop.send(true); // nobody listens: it has stopped already
            });
        }
        let grace = service.limits.grace_time;
        let last = Arc::clone(&service);
        let thread = thread::Builder::new()
            .name("authority".into())
            .spawn(move || {
                let cut = runtime.block_on(accept(listener, tls, service, stopped));
                // What the desk is doing cannot be stopped in the middle; it gets the same time again.
                runtime.shutdown_timeout(grace);
                // Last, and outside the runtime: a connection to a database waits for its end.
                drop(last);
                cut
            })?;
        Ok(Self {
            address,
            stop,
            thread,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks it to stop: no new connections; running requests have their grace time.
    pub fn stop(&self) {
        let _ = self.stop.send(true); // nobody listens: it has stopped already
    }

    /// Waits until it has stopped. Gives how many connections had to be cut.
    ///
    /// # Errors
    /// When its thread panicked.
    pub fn wait(self) -> io::Result<usize> {
        let ended = self.thread.join();
        ended.map_err(|_| io::Error::other("the service stopped by a panic"))
    }
}

async fn accept(
    listener: TcpListener,
    tls: TlsAcceptor,
    service: Arc<Service>,
    mut stopped: watch::Receiver<bool>,
) -> usize {
    let limits = service.limits.clone();
    let places = Arc::new(Semaphore::new(limits.connections.max(1)));
    let front = Front {
        operations: Arc::new(Semaphore::new(limits.operations.max(1))),
        service: Arc::clone(&service),
    };
    let router = TowerToHyperService::new(router(&front));
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            // A place first: whoever finds none waits in the listener's queue.
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = told(&mut stopped) => break,
            next = next => next,
        };
        while connections.try_join_next().is_some() {}
        let (Ok(place), Ok((stream, address))) = (place, accepted) else {
            sleep(Duration::from_millis(50)).await; // out of file descriptors: do not spin
            continue;
        };
        service.metrics.accepted.fetch_add(1, Relaxed);
        let (router, tls, stopped) = (router.clone(), tls.clone(), stopped.clone());
        let (service, limits) = (Arc::clone(&service), limits.clone());
        connections.spawn(async move {
            let _place = place;
            let _open = Open::new(service.clone());
            connection(stream, address, tls, router, &service, &limits, stopped).await;
        });
    }
    drop(listener);
    tracing::info!(
        connections = connections.len(),
        "stopping: no new connections"
    );
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = timeout(limits.grace_time, all).await; // who is left is cut below
    let cut = connections.len();
    connections.shutdown().await;
    tracing::info!(cut, "stopped");
    cut
}

/// Counts an open connection for as long as it lives.
struct Open(Arc<Service>);

impl Open {
    fn new(service: Arc<Service>) -> Self {
        service.metrics.connections.fetch_add(1, Relaxed);
        Self(service)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.metrics.connections.fetch_sub(1, Relaxed);
    }
}

async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    tls: TlsAcceptor,
    router: TowerToHyperService<axum::Router>,
    service: &Service,
    limits: &Limits,
    mut stopped: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true); // only slower without
    let handshake = timeout(limits.head_time, tls.accept(stream));
    let handshake = tokio::select! {
        () = told(&mut stopped) => return,
        handshake = handshake => handshake,
    };
    let stream = match handshake {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return no_handshake(service, address, &error.to_string()),
        Err(_) => return no_handshake(service, address, "it took too long"),
    };
    let shown = stream
        .get_ref()
        .1
        .peer_certificates()
        .and_then(<[_]>::first);
    let peer = Peer {
        address: address.ip(),
        certificate: shown.map(|certificate| sha256(&[certificate])),
    };
    let answer = service_fn(move |mut request: hyper::Request<_>| {
        request.extensions_mut().insert(peer);
        router.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_header_size(limits.head_bytes)
        .max_buf_size(limits.head_bytes.max(8_192)) // hyper's smallest
        .max_headers(64)
        .serve_connection(TokioIo::new(stream), answer);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => Some(ended),
        () = told(&mut stopped) => None,
        () = sleep(limits.connection_time) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            // The running request ends, then the connection. A reader that takes too long is cut.
            connection.as_mut().graceful_shutdown();
            match timeout(limits.request_time, connection).await {
                Ok(ended) => ended,
                Err(_) => return tracing::debug!("a connection was cut: too old"),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(reason = %error, "a connection ended");
    }
}

/// Counts a TLS handshake that failed, and has it in the log if there are not too many.
fn no_handshake(service: &Service, address: SocketAddr, reason: &str) {
    service.metrics.handshakes_failed.fetch_add(1, Relaxed);
    if let Some(left_out) = service.sampler.take(Kind::Handshake, Instant::now()) {
        tracing::info!(peer = %address.ip(), reason, left_out, "a TLS handshake failed");
    }
}

/// Waits until the service is told to stop.
async fn told(stopped: &mut watch::Receiver<bool>) {
    // An error means that nobody can tell any more: the same.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
