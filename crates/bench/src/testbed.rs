//! `cargo xtask testbed`: servers to play with.

use std::io::Write as _;

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use walcast_testbed::{Auth, POSTGRES_RELEASES, PostgresOptions, Testbed, TestbedOptions, TlsOptions};

const UP_EXAMPLES: &str = "Examples:
  cargo xtask testbed up                              # Postgres 17, Kafka, registry
  cargo xtask testbed up --postgres 12 --auth scram
  cargo xtask testbed up --tls --auth scram --json    # one line of JSON for scripts
  cargo xtask testbed up --set wal_level=replica --set wal_sender_timeout=2s";

const FETCH_EXAMPLES: &str = "Examples:
  cargo xtask testbed fetch                   # Postgres 17, Kafka, registry
  cargo xtask testbed fetch --postgres 12 --postgres 18
  cargo xtask testbed fetch --all             # every Postgres from 12 to 18

Packages are kept in $WALCAST_TESTBED_CACHE, or in ~/.cache/walcast-testbed
(as root in /var/tmp/walcast-testbed-cache).";

#[derive(Subcommand)]
pub(crate) enum Task {
    /// Start the servers, print their addresses, stay up until Ctrl-C
    #[command(after_help = UP_EXAMPLES)]
    Up(Up),
    /// Download the servers' packages and nothing more
    #[command(after_help = FETCH_EXAMPLES)]
    Fetch(Fetch),
}

#[derive(Args)]
pub(crate) struct Up {
    /// Major version of Postgres, 12 to 18
    #[arg(long, default_value_t = 17, value_name = "MAJOR")]
    postgres: u16,
    /// Offer TLS with an authority of its own
    #[arg(long)]
    tls: bool,
    /// How clients prove who they are
    #[arg(long, value_enum, default_value_t = AuthMethod::Trust)]
    auth: AuthMethod,
    /// A Postgres setting; can be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    set: Vec<(String, String)>,
    /// Print one line of JSON instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct Fetch {
    /// Major version of Postgres, 12 to 18; can be repeated
    #[arg(long, default_values_t = [17], value_name = "MAJOR")]
    postgres: Vec<u16>,
    /// Every Postgres from 12 to 18
    #[arg(long, conflicts_with = "postgres")]
    all: bool,
    /// Every release of Debezium with Kafka Connect, and of Kafka, as well
    #[arg(long)]
    debezium: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum AuthMethod {
    Trust,
    Md5,
    Scram,
}

impl From<AuthMethod> for Auth {
    fn from(method: AuthMethod) -> Auth {
        match method {
            AuthMethod::Trust => Auth::Trust,
            AuthMethod::Md5 => Auth::Md5,
            AuthMethod::Scram => Auth::Scram,
        }
    }
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("wanted NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(crate) async fn run(task: Task) -> anyhow::Result<()> {
    match task {
        Task::Up(up) => Box::pin(stay_up(up)).await,
        Task::Fetch(fetch) => {
            let all = POSTGRES_RELEASES.iter().map(|(major, _)| *major);
            let majors = if fetch.all { all.collect() } else { fetch.postgres };
            tokio::task::spawn_blocking(move || -> anyhow::Result<()> {
                walcast_testbed::fetch(&majors).context("fetching the servers")?;
                if fetch.debezium {
                    walcast_testbed::fetch_debezium().context("fetching Debezium")?;
                }
                Ok(())
            })
            .await?
        }
    }
}

async fn stay_up(up: Up) -> anyhow::Result<()> {
    // Listened to before the start, so that Ctrl-C during it takes the servers down in order too.
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let postgres = PostgresOptions {
        major: up.postgres,
        auth: up.auth.into(),
        settings: up.set,
        tls: up.tls.then(TlsOptions::default),
        ..PostgresOptions::default()
    };
    let starting = Box::pin(Testbed::start(TestbedOptions {
        postgres,
        ..TestbedOptions::default()
    }));
    let testbed = tokio::select! {
        started = starting => started?,
        _ = interrupt.recv() => return Ok(()),
        _ = terminate.recv() => return Ok(()),
    };
    let mut out = std::io::stdout().lock();
    if up.json {
        writeln!(out, "{}", as_json(&testbed)?)?;
    } else {
        write!(out, "{}", as_table(&testbed)?)?;
    }
    out.flush()?;
    drop(out);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

fn as_json(testbed: &Testbed) -> anyhow::Result<serde_json::Value> {
    let postgres = &testbed.postgres;
    let mut object = json!({
        "postgres_url": postgres.url(),
        "postgres_port": postgres.port(),
        "postgres_socket_dir": postgres.socket_dir(),
        "kafka_brokers": testbed.kafka.brokers(),
        "registry_url": testbed.registry.url(),
        "process_ids": [postgres.process_id(), testbed.kafka.process_id(), testbed.registry.process_id()],
    });
    if let Some(tls) = postgres.tls() {
        let client = tls.issue_client(&postgres.options().superuser)?;
        object["tls"] =
            json!({ "ca": tls.ca(), "client_certificate": client.certificate, "client_key": client.key });
    }
    Ok(object)
}

fn as_table(testbed: &Testbed) -> anyhow::Result<String> {
    let postgres = &testbed.postgres;
    let mut lines = vec![
        ("postgres", postgres.url()),
        ("socket", postgres.socket_dir().display().to_string()),
        ("kafka", testbed.kafka.brokers()),
        ("registry", testbed.registry.url()),
    ];
    if let Some(tls) = postgres.tls() {
        let client = tls.issue_client(&postgres.options().superuser)?;
        lines.push(("authority", tls.ca().display().to_string()));
        lines.push(("certificate", client.certificate.display().to_string()));
        lines.push(("key", client.key.display().to_string()));
    }
    let table: String = lines
        .iter()
        .map(|(name, value)| format!("{name:<12} {value}\n"))
        .collect();
    Ok(table + "up until Ctrl-C\n")
}
