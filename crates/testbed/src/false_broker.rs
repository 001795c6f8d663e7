//! A proxy before a Kafka broker that changes its responses on demand, and counts the requests.
//!
//! Requests reach the broker unchanged, and it does what they ask for: only what the client learns of it is false.

mod connection;
mod falsehood;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::error::{Error, Result};

pub use falsehood::{Api, Falsehood};

/// Forwards its port to a broker. Dropping it closes the port and all connections.
#[derive(Debug)]
pub struct FalseBroker {
    port: u16,
    plan: Arc<Plan>,
    accepting: JoinHandle<()>,
}

impl FalseBroker {
    /// Opens a loopback port that leads to a broker on `target_port` of loopback.
    ///
    /// # Errors
    /// When no port can be opened.
    pub(crate) async fn start(target_port: u16) -> Result<FalseBroker> {
        let failed = |source| Error::Process {
            action: "open a port for",
            program: "the proxy before the broker".to_owned(),
            source,
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let plan = Arc::new(Plan::default());
        let accepting = tokio::spawn(accept(listener, target_port, Arc::clone(&plan)));
        Ok(FalseBroker {
            port,
            plan,
            accepting,
        })
    }

    /// The port on 127.0.0.1, which the broker advertises.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Changes so many of the next responses to requests of this kind. It replaces an earlier plan for the same kind.
    pub fn falsify(&self, api: Api, falsehood: Falsehood, responses: u32) {
        let mut state = self.plan.lock();
        state.planned.insert(api.key(), (falsehood, responses));
    }

    /// How many responses were changed so far.
    pub fn falsified(&self) -> u64 {
        self.plan.lock().falsified
    }

    /// How many requests of this kind clients have sent so far.
    pub fn requests(&self, api: Api) -> u64 {
        let state = self.plan.lock();
        state.requests.get(&api.key()).copied().unwrap_or(0)
    }

    /// Changes no response any more.
    pub fn be_honest(&self) {
        self.plan.lock().planned.clear();
    }
}

impl Drop for FalseBroker {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// What will be changed, for all connections.
#[derive(Debug, Default)]
struct Plan(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// By the key of the API.
    planned: HashMap<i16, (Falsehood, u32)>,
    falsified: u64,
    /// Requests by the key of the API.
    requests: HashMap<i16, u64>,
}

impl Plan {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request.
    fn count(&self, api: i16) {
        *self.lock().requests.entry(api).or_default() += 1;
    }

    /// How this response is changed, if it is.
    fn next(&self, api: i16, response: &[u8]) -> Option<Falsehood> {
        let mut state = self.lock();
        let (falsehood, left) = state.planned.get_mut(&api)?;
        if *left == 0 || !falsehood.applies_to(response) {
            return None;
        }
        *left -= 1;
        let falsehood = falsehood.clone();
        state.falsified += 1;
        Some(falsehood)
    }
}

async fn accept(listener: TcpListener, target_port: u16, plan: Arc<Plan>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        let plan = Arc::clone(&plan);
        connections.spawn(async move {
            if let Err(error) = connection::forward(client, target_port, &plan).await {
                tracing::trace!(%error, "a connection through the proxy before the broker ended");
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

#[cfg(test)]
mod tests;
