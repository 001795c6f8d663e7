//! Client of the admin port of the running connector.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use walcast_delivery::{SnapshotAnswer, SnapshotCommand};
use walcast_mapper::Secret;

use super::tls;
use crate::admin::{self, Place, StoredToken};
use crate::answers;
use crate::config::Config;
use crate::exit::{Exit, Rejection, UsageError};
use crate::stdout::stdout;

/// Timeout of a connection attempt.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Timeout of a response: longer than the connector's own timeout, after which it reports a failure.
const ANSWER_LIMIT: Duration = Duration::from_secs(90);

/// Maximum size of a response: 200 bytes per table, for more tables than a database has.
const ANSWER_BYTES_MAX: usize = 32 << 20;

/// Connection to the admin port of the connector.
pub(in crate::cli) struct Admin {
    client: Client,
    /// Address of the admin port, without a path.
    base: String,
    token: Token,
}

/// Admin token, with its origin.
enum Token {
    /// Token of the configuration.
    Configured(Secret),
    /// Token that a start of the connector stored.
    Stored(StoredToken),
    /// No token; the places that were searched.
    Missing(Vec<Place>),
}

impl Token {
    fn of(config: &Config) -> anyhow::Result<Self> {
        if let Some(token) = &config.admin.token {
            return Ok(Token::Configured(token.clone()));
        }
        let places = admin::to_search(&config.name, admin::of_process);
        Ok(match admin::find_token(&places)? {
            Some(stored) => Token::Stored(stored),
            None => Token::Missing(places),
        })
    }

    fn secret(&self) -> Option<&Secret> {
        match self {
            Token::Configured(token) | Token::Stored(StoredToken { token, .. }) => Some(token),
            Token::Missing(_) => None,
        }
    }

    /// Error message for a token that the connector rejects.
    fn rejection(&self) -> String {
        let remedy =
            "run this command as the user that runs the connector, or set token_file in [admin] for both";
        match self {
            Token::Configured(_) => {
                "the connector runs with a different token than that of token or token_file in [admin] here"
                    .to_owned()
            }
            Token::Stored(StoredToken { path, .. }) => format!(
                "the connector rejects the token in {}, which belongs to a different run; {remedy}",
                path.display()
            ),
            Token::Missing(places) => {
                let places: Vec<String> = places
                    .iter()
                    .map(|place| place.path().display().to_string())
                    .collect();
                format!(
                    "the connector requires its token, and none was found in {}; {remedy}",
                    places.join(", ")
                )
            }
        }
    }
}

/// Body of an error response.
#[derive(Deserialize)]
struct ErrorBody {
    error: String,
}

impl Admin {
    pub(in crate::cli) fn new(config: &Config) -> anyhow::Result<Self> {
        let Some(listen) = config.admin.listen else {
            let text = "[admin] listen, through which the connector accepts requests, is not set";
            return Err(UsageError(text.to_owned()).into());
        };
        Ok(Self {
            client: tls::client(&config.admin)?
                .no_proxy()
                .redirect(Policy::none())
                .connect_timeout(CONNECT_LIMIT)
                .timeout(ANSWER_LIMIT)
                .build()?,
            base: match (&config.admin.url, &config.admin.identity) {
                (Some(url), _) => url.clone(),
                (None, Some(_)) => format!("https://{}", reachable(listen)),
                (None, None) => format!("http://{}", reachable(listen)),
            },
            token: Token::of(config)?,
        })
    }

    pub(in crate::cli) async fn get<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        self.send(self.client.get(self.snapshot())).await
    }

    /// Status of the connector.
    pub(in crate::cli) async fn status<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        self.send(self.client.get(format!("{}/status", self.base))).await
    }

    /// Metrics of the connector in the OpenMetrics text format.
    pub(in crate::cli) async fn metrics(&self) -> anyhow::Result<String> {
        let request = self.client.get(format!("{}/metrics", self.base));
        let body = self.body(request).await?;
        let body = body.map_err(|(status, why)| failed(status, why))?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    fn snapshot(&self) -> String {
        format!("{}/snapshot", self.base)
    }

    async fn post<T: DeserializeOwned>(&self, command: &SnapshotCommand) -> anyhow::Result<T> {
        self.send(self.client.post(self.snapshot()).json(command)).await
    }

    /// Sends a command; the inner error is the reason for which the connector rejects the request itself.
    pub(in crate::cli) async fn try_post(
        &self,
        command: &SnapshotCommand,
    ) -> anyhow::Result<Result<SnapshotAnswer, String>> {
        match self.ask(self.client.post(self.snapshot()).json(command)).await? {
            Ok(answer) => Ok(Ok(answer)),
            Err((StatusCode::CONFLICT, why)) => Ok(Err(why)),
            Err((status, why)) => Err(failed(status, why)),
        }
    }

    async fn send<T: DeserializeOwned>(&self, request: RequestBuilder) -> anyhow::Result<T> {
        let answer = self.ask(request).await?;
        answer.map_err(|(status, why)| failed(status, why))
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> anyhow::Result<Result<T, (StatusCode, String)>> {
        match self.body(request).await? {
            Ok(body) => Ok(Ok(
                serde_json::from_slice(&body).with_context(|| self.no_connector())?
            )),
            Err(rejected) => Ok(Err(rejected)),
        }
    }

    fn no_connector(&self) -> String {
        format!(
            "{} does not answer as a connector; check [admin] listen or url",
            self.base
        )
    }

    /// Sends a request; the inner error is a response that is no success.
    async fn body(
        &self,
        mut request: RequestBuilder,
    ) -> anyhow::Result<Result<Vec<u8>, (StatusCode, String)>> {
        if let Some(token) = self.token.secret() {
            request = request.bearer_auth(token.reveal());
        }
        let answer = request.send().await.with_context(|| {
            format!(
                "no connector answers at {}; is it running with this configuration?",
                self.base
            )
        })?;
        let status = answer.status();
        if status.is_success() {
            let body = answers::body(answer, ANSWER_BYTES_MAX).await;
            return Ok(Ok(body.with_context(|| self.no_connector())?));
        }
        if status == StatusCode::UNAUTHORIZED {
            return Ok(Err((status, self.token.rejection())));
        }
        let text = answers::body(answer, ANSWER_BYTES_MAX).await.unwrap_or_default();
        let why = match serde_json::from_slice::<ErrorBody>(&text) {
            Ok(body) => body.error,
            Err(_) => format!("the connector answers {status}"),
        };
        Ok(Err((status, why)))
    }
}

/// Whether a request failed because no process listens at the address.
pub(in crate::cli) fn is_not_listening(error: &anyhow::Error) -> bool {
    let mut causes = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<reqwest::Error>());
    causes.any(reqwest::Error::is_connect)
}

fn failed(status: StatusCode, why: String) -> anyhow::Error {
    match status {
        StatusCode::SERVICE_UNAVAILABLE => anyhow::anyhow!(why),
        _ => Rejection::Request(why).into(),
    }
}

/// Address for requests from this machine: loopback in place of the unspecified address.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// Sends a command to the connector and prints the result.
pub(in crate::cli) async fn ask(
    config: &Config,
    command: &SnapshotCommand,
    json: bool,
) -> anyhow::Result<Exit> {
    let answer: SnapshotAnswer = Admin::new(config)?.post(command).await?;
    let mut output = stdout();
    if json {
        output.json(&answer)?;
    } else {
        output.line(&describe(command, &answer))?;
    }
    output.flush()?;
    Ok(Exit::Done)
}

fn describe(command: &SnapshotCommand, answer: &SnapshotAnswer) -> String {
    let tables = answer.tables.join(", ");
    match command {
        SnapshotCommand::Start { .. } if answer.paused => {
            format!("queued until reading is resumed: {tables}")
        }
        SnapshotCommand::ResumeTables { .. } if answer.paused => {
            format!("resumed, and read when reading is resumed: {tables}")
        }
        SnapshotCommand::Start { .. } | SnapshotCommand::ResumeTables { .. } => {
            format!("being read: {tables}")
        }
        SnapshotCommand::Stop { .. } => format!("stopped: {tables}"),
        SnapshotCommand::Pause => format!("paused: {tables}"),
        SnapshotCommand::Resume => format!("resumed: {tables}"),
    }
}
