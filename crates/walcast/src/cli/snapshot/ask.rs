//! Talks to the running connector.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::Context;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use walcast_delivery::{SnapshotAnswer, SnapshotCommand};

use super::tls;
use crate::config::Config;
use crate::exit::{Exit, Refusal, UsageError};
use crate::stdout::stdout;

/// The way to the connector.
pub(in crate::cli) struct Admin {
    client: Client,
    url: String,
    token: Option<String>,
}

/// What it answers when it does not do what was asked.
#[derive(Deserialize)]
struct Refused {
    error: String,
}

impl Admin {
    pub(in crate::cli) fn new(config: &Config) -> anyhow::Result<Self> {
        let Some(listen) = config.admin.listen else {
            let text = "the connector takes requests through [admin] listen, which is off";
            return Err(UsageError(text.to_owned()).into());
        };
        Ok(Self {
            client: tls::client(&config.admin)?.no_proxy().build()?,
            url: match (&config.admin.url, &config.admin.identity) {
                (Some(url), _) => format!("{url}/snapshot"),
                (None, Some(_)) => format!("https://{}/snapshot", reachable(listen)),
                (None, None) => format!("http://{}/snapshot", reachable(listen)),
            },
            token: config.admin.token.as_ref().map(|token| token.reveal().to_owned()),
        })
    }

    pub(in crate::cli) async fn get<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        self.send(self.client.get(&self.url)).await
    }

    async fn post<T: DeserializeOwned>(&self, command: &SnapshotCommand) -> anyhow::Result<T> {
        self.send(self.client.post(&self.url).json(command)).await
    }

    /// As it was asked for; or why it is not done, where that lies in what was asked for.
    pub(in crate::cli) async fn try_post(
        &self,
        command: &SnapshotCommand,
    ) -> anyhow::Result<Result<SnapshotAnswer, String>> {
        match self.ask(self.client.post(&self.url).json(command)).await? {
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
        mut request: RequestBuilder,
    ) -> anyhow::Result<Result<T, (StatusCode, String)>> {
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.with_context(|| {
            format!(
                "no connector answers at {}; is it running with this configuration?",
                self.url
            )
        })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(Ok(answer.json().await.context("the answer cannot be read")?));
        }
        let text = answer.text().await.unwrap_or_default();
        let why = match serde_json::from_str::<Refused>(&text) {
            Ok(refused) => refused.error,
            Err(_) => format!("it answers {status}"),
        };
        Ok(Err((status, why)))
    }
}

fn failed(status: StatusCode, why: String) -> anyhow::Error {
    match status {
        StatusCode::SERVICE_UNAVAILABLE => anyhow::anyhow!(why),
        _ => Refusal::Request(why).into(),
    }
}

/// An address that is listened on everywhere is reached here.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// Has a command carried out, and says what was.
pub(super) async fn ask(config: &Config, command: &SnapshotCommand, json: bool) -> anyhow::Result<Exit> {
    let answer: SnapshotAnswer = Admin::new(config)?.post(command).await?;
    let mut output = stdout();
    output.line(&if json {
        serde_json::to_string_pretty(&answer)?
    } else {
        describe(command, &answer)
    })?;
    output.flush()?;
    Ok(Exit::Done)
}

fn describe(command: &SnapshotCommand, answer: &SnapshotAnswer) -> String {
    let tables = answer.tables.join(", ");
    match command {
        SnapshotCommand::Start { .. } if answer.paused => {
            format!("to be read once reading is resumed: {tables}")
        }
        SnapshotCommand::Start { .. } => format!("being read: {tables}"),
        SnapshotCommand::Stop { .. } => format!("not read any more: {tables}"),
        SnapshotCommand::Pause => format!("paused: {tables}"),
        SnapshotCommand::Resume => format!("goes on: {tables}"),
    }
}
