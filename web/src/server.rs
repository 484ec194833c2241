//! The HTTP server: a listener, a small runtime, and an orderly end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::RequestBodyTimeoutLayer;

use crate::api::{self, Parts};

/// How the server behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerOptions {
    /// Connections at one time; more wait in the system's queue.
    pub connections_max: usize,
    /// Threads that run requests.
    pub threads: usize,
    /// From a request's first byte to the end of its headers, and between two pieces of its body.
    pub read_deadline: Duration,
    /// What requests under way have to end once the server stops.
    pub stop_deadline: Duration,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            connections_max: 4_096,
            threads: 2,
            read_deadline: Duration::from_secs(10),
            stop_deadline: Duration::from_secs(5),
        }
    }
}

/// A server that listens.
pub struct Server {
    runtime: Runtime,
    stop: watch::Sender<bool>,
    local_addr: SocketAddr,
    ended: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Listens and serves, on threads of its own.
    ///
    /// # Errors
    /// When the address cannot be bound or a thread not be started.
    ///
    /// With `tls`, connections speak that, and nothing else.
    pub fn start(
        listen: SocketAddr,
        parts: Parts,
        tls: Option<Arc<ServerConfig>>,
        options: ServerOptions,
    ) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(options.threads.max(1))
            .thread_name("http")
            .enable_io()
            .enable_time()
            .build()?;
        let listener = runtime.block_on(TcpListener::bind(listen))?;
        let local_addr = listener.local_addr()?;
        let router = api::router(parts)
            .layer(RequestBodyTimeoutLayer::new(options.read_deadline))
            .layer(CatchPanicLayer::new());
        let (stop, stopped) = watch::channel(false);
        let ended = runtime.spawn(serve(listener, router, tls.map(TlsAcceptor::from), options, stopped));
        Ok(Self { runtime, stop, local_addr, ended })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Takes no more requests, and returns when those under way have ended or their time is over.
    pub fn stop(self) {
        // Nobody listening any more is as good.
        let _ = self.stop.send(true);
        let _ = self.runtime.block_on(self.ended);
        self.runtime.shutdown_timeout(Duration::from_millis(100));
    }
}

async fn serve(
    listener: TcpListener,
    router: Router,
    tls: Option<TlsAcceptor>,
    options: ServerOptions,
    mut stopped: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(options.connections_max));
    let graceful = GracefulShutdown::new();
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(options.read_deadline);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(options.read_deadline);
    let builder = Arc::new(builder);
    loop {
        let next = async {
            let permit = Arc::clone(&room).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            next = next => next,
            _ = stopped.wait_for(|&stop| stop) => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(_) => {
                // Out of descriptors, or the peer has left already: both pass.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // Answers are small and whole; waiting for more would only delay them.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(router.clone());
        let (builder, watcher, tls) = (Arc::clone(&builder), graceful.watcher(), tls.clone());
        // A connection that breaks, or never becomes one, is its peer's affair.
        tokio::spawn(async move {
            let _permit = permit;
            match tls {
                None => {
                    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
                    let _ = watcher.watch(connection.into_owned()).await;
                }
                Some(tls) => {
                    let greeted = tokio::time::timeout(options.read_deadline, tls.accept(stream)).await;
                    let Ok(Ok(stream)) = greeted else { return };
                    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
                    let _ = watcher.watch(connection.into_owned()).await;
                }
            }
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(options.stop_deadline, graceful.shutdown()).await;
}
