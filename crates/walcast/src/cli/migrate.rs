//! `walcast migrate`: replaces another connector by walcast.

pub(super) mod debezium_config;
pub(super) mod debezium_offset;

use clap::{Args, Subcommand};

use self::debezium_config::DebeziumConfigArgs;
use self::debezium_offset::DebeziumOffsetArgs;
use crate::exit::help_end;

/// Take over from another connector: write its configuration, import its offset
#[derive(Debug, Args)]
#[command(after_help = help_end!(
    "  walcast migrate debezium-config shop-source.json --worker connect-distributed.properties --output walcast.toml\n\
     \x20 walcast migrate debezium-offset --offsets-topic connect-offsets --connect-url http://connect:8083"
))]
pub(crate) struct MigrateArgs {
    #[command(subcommand)]
    pub(crate) action: Action,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    DebeziumConfig(DebeziumConfigArgs),
    DebeziumOffset(DebeziumOffsetArgs),
}
