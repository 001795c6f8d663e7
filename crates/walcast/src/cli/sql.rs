//! `walcast sql`: prints SQL for applications, which an administrator executes.

mod context;

use clap::{Args, Subcommand};

use crate::exit::{Exit, help_end};
use crate::stdout::stdout;

/// Print SQL that applications can use: context
///
/// Nothing is executed, and no configuration is read.
#[derive(Debug, Args)]
#[command(after_help = help_end!("  walcast sql context | psql -d shop"))]
pub(crate) struct SqlArgs {
    #[command(subcommand)]
    pub(crate) action: Action,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Functions by which transactions get a context: who changed the rows, and why
    ///
    /// set_context(jsonb) sets the context of the transaction. A trigger with send_context() takes it from SET LOCAL
    /// walcast.context, or from a comment of sqlcommenter, so that the application does not have to call anything.
    #[command(after_help = help_end!(
        "  walcast sql context | psql -d shop\n\
         \x20 walcast sql context --schema audit | psql -d shop\n\
         \x20 walcast sql context --remove | psql -d shop      with the triggers"
    ))]
    Context {
        /// Schema of the functions, which is created if it does not exist
        #[arg(long, default_value = "walcast", value_name = "NAME", value_parser = context::schema)]
        schema: String,

        /// Print the SQL that removes the functions and their triggers
        #[arg(long)]
        remove: bool,
    },
}

pub(crate) fn sql(action: &Action) -> anyhow::Result<Exit> {
    let script = match action {
        Action::Context {
            schema,
            remove: false,
        } => context::create(schema),
        Action::Context { schema, remove: true } => context::remove(schema),
    };
    let mut output = stdout();
    output.write(script.as_bytes())?;
    output.flush()?;
    Ok(Exit::Done)
}
