//! Comparisons one after the other, at an interval, until the process is stopped.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tracing::{error, warn};
use walcast_pgoutput::Lsn;

use super::job_metrics::JobMetrics;
use super::report::Report;
use super::request::{Answer, Request};
use crate::admin;
use crate::exit::{Exit, UsageError};
use crate::remedy::describe;
use crate::signals::Signals;
use crate::stdout::stdout;

/// Metrics that the task of the port reads.
type Shared = Arc<Mutex<JobMetrics>>;

/// Compares at this interval, from start to start, until a signal arrives. A comparison that takes longer delays the next one.
pub(super) async fn run(
    request: &Request<'_>,
    interval: Duration,
    listen: Option<SocketAddr>,
    json: bool,
) -> anyhow::Result<Exit> {
    let mut signals = Signals::listen().context("cannot install signal handlers")?;
    let metrics: Shared = Arc::new(Mutex::new(JobMetrics::new(&request.config.name)));
    let _port = match listen {
        Some(listen) => Some(Port::open(request, listen, &metrics).await?),
        None => None,
    };
    let (mut due, mut was_accepted) = (Instant::now(), false);
    loop {
        tokio::select! {
            biased;
            _ = signals.next() => return Ok(Exit::Done),
            ended = Box::pin(once(request, &metrics, json, was_accepted)) => was_accepted |= ended?,
        }
        due = (due + interval).max(Instant::now());
        tokio::select! {
            biased;
            _ = signals.next() => return Ok(Exit::Done),
            () = sleep_until(due) => {}
        }
    }
}

/// Task that serves the metrics as long as this value exists.
struct Port(JoinHandle<()>);

impl Port {
    async fn open(request: &Request<'_>, listen: SocketAddr, metrics: &Shared) -> anyhow::Result<Self> {
        let port = admin::open_for_metrics(listen, &request.config.admin).await?;
        let metrics = Arc::clone(metrics);
        let text = move || locked(&metrics, JobMetrics::text);
        Ok(Self(tokio::spawn(admin::serve_metrics(port, text))))
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn locked<T>(metrics: &Shared, of: impl FnOnce(&JobMetrics) -> T) -> T {
    of(&metrics.lock().unwrap_or_else(PoisonError::into_inner))
}

/// One comparison, whose outcome is printed and stored; true if the command line was accepted. Only an error of the command line ends the
/// job: servers come back, and so do tables of a command line that was accepted before.
async fn once(
    request: &Request<'_>,
    metrics: &Shared,
    json: bool,
    was_accepted: bool,
) -> anyhow::Result<bool> {
    let failed = |error: anyhow::Error| {
        locked(metrics, |metrics| metrics.count("failed"));
        error!(
            error = describe(error.as_ref()),
            "the comparison failed; the next one is at its time"
        );
    };
    match Box::pin(request.compare(None)).await {
        Ok(Answer::Report(report)) => {
            let lsn = report.certificate.lsn.parse::<Lsn>().map_or(0, Lsn::as_u64);
            locked(metrics, |metrics| metrics.compared(&report.certificate, lsn));
            // A full disk is as temporary as a server that cannot be reached.
            if let Err(error) = print(&report, json) {
                failed(error.context("the comparison cannot be printed"));
            }
            if let Err(error) = request.store(&report).await {
                failed(error.context("the certificate cannot be written"));
            }
        }
        Ok(Answer::Behind(reason)) => {
            locked(metrics, |metrics| metrics.count("behind"));
            warn!(reason, "not compared");
        }
        Err(error) if error.is::<UsageError>() && !was_accepted => return Err(error),
        Err(error) => {
            failed(error);
            return Ok(false);
        }
    }
    Ok(true)
}

/// Prints a comparison: lines, or JSON on one line.
fn print(report: &Report, json: bool) -> anyhow::Result<()> {
    let mut output = stdout();
    match json {
        true => {
            let mut line = serde_json::to_vec(report)?;
            line.push(b'\n');
            output.json_lines(&line)?
        }
        false => output.lines(report.lines())?,
    };
    output.flush()?;
    Ok(())
}
