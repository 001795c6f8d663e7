//! `walcast init`: writes a commented configuration for a database, from what the database shows.
//!
//! ```text
//! URL ──survey──▶ schemas with tables ──▶ settings ──config::parse──▶ checks of the source ──▶ Found ──▶ walcast.toml
//! ```
//!
//! Nothing is created in the database. The file is parsed as every command parses it before it is written, and holds no password.

mod decisions;
mod found;
mod settings;
#[cfg(test)]
mod tests;
mod text;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use tracing::warn;
use walcast_postgres::{ConnectConfig, ConninfoError, Environment};

use self::found::Found;
use self::settings::Settings;
use super::written_file::write;
use crate::config::Config;
use crate::exit::{Exit, Rejection, UsageError, help_end};
use crate::remedy::describe;
use crate::stdout::stdout;

/// Look at a database and write a commented configuration for it
///
/// The file names the schemas that have tables, and says in comments what needs a decision: tables without replica identity, large
/// tables, types with several forms, partitions, settings of the server, and the SQL that an administrator runs once. Nothing is
/// created in the database, and no password is written.
#[derive(Debug, Args)]
#[command(after_help = help_end!(
    "  walcast init postgres://walcast@db/shop --brokers kafka:9092 --registry http://registry:8081\n\
     \x20 walcast init postgres://walcast@db/shop --brokers kafka:9092 --output -      to stdout\n\
     \x20 walcast check                                   says what is left to do"
))]
pub(crate) struct InitArgs {
    /// The database, as postgres://user@host:port/database or as libpq's key=value pairs
    url: String,

    /// Bootstrap addresses of Kafka, host:port, separated by commas
    #[arg(long, value_name = "HOSTS")]
    brokers: String,

    /// Address of the schema registry; without it, records are JSON
    #[arg(long, value_name = "URL")]
    registry: Option<String>,

    /// Name of the connector [default: from the name of the database]
    #[arg(long)]
    name: Option<String>,

    /// Write to this file; - is stdout
    #[arg(long, value_name = "FILE", default_value = "walcast.toml")]
    output: PathBuf,

    /// Overwrite the file if it exists
    #[arg(long)]
    force: bool,
}

pub(crate) async fn init(args: InitArgs) -> anyhow::Result<Exit> {
    let is_stdout = args.output == Path::new("-");
    if !is_stdout && !args.force && args.output.exists() {
        return Err(Rejection::Exists(args.output).into());
    }
    let wrong = |error: ConninfoError| UsageError(describe(&error));
    let connect = ConnectConfig::parse(&args.url, &Environment::of_process()).map_err(wrong)?;
    if connect.has_password_in_text() {
        warn!(
            "all users of this machine can see the password on the command line; use PGPASSWORD, PGPASSFILE or ~/.pgpass"
        );
    }
    let mut settings = Settings {
        name: args.name.unwrap_or_else(|| settings::name_of(connect.database())),
        url: ConnectConfig::without_password(&args.url).map_err(wrong)?,
        had_password: connect.has_password_in_text(),
        brokers: args.brokers,
        registry: args.registry,
        schemas: Vec::new(),
    };
    // Names and addresses are checked before any server is asked.
    let file = args.output.display().to_string();
    let mut config = parse(&file, &settings, None)?;
    config.postgres.connect = connect.clone();
    let survey = walcast_postgres::survey(&config.postgres).await?;
    settings.schemas = settings::schemas(&survey);
    let mut config = parse(&file, &settings, None)?;
    config.postgres.connect = connect;
    let found = Found::of(&config, survey).await?;
    parse(&file, &settings, Some(&found)).context("the written configuration is invalid")?;
    let text = text::text(&settings, Some(&found));
    let mut output = stdout();
    if is_stdout {
        output.write(text.as_bytes())?;
    } else {
        write(&args.output, &text, args.force)?;
        output.lines(found.summary(&file))?;
    }
    output.flush()?;
    Ok(Exit::Done)
}

/// Parses the configuration that these settings yield.
fn parse(file: &str, settings: &Settings, found: Option<&Found>) -> anyhow::Result<Config> {
    let text = text::text(settings, found);
    Ok(Config::parse_text(file, &text)?)
}
