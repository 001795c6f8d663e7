//! `walcast table`: states of the captured tables, and the end of a quarantine.

mod resume;

use clap::{Args, Subcommand};
use serde::Deserialize;
use walcast_mapper::pattern::TablePattern;

use super::config_args::ActionArgs;
use super::snapshot::ask::Admin;
use crate::admin::TableReport;
use crate::config::Config;
use crate::exit::{Exit, help_end};
use crate::stdout::stdout;

/// Show the state of each captured table, or resume quarantined tables: list, resume
///
/// Sends requests to the running connector at its admin.listen address. While no connector runs, `check` lists quarantined
/// tables, and `resume` changes the checkpoint, for the next start.
#[derive(Debug, Args)]
#[command(after_help = help_end!(
    "  walcast table list\n\
     \x20 walcast table resume public.prices"
))]
pub(crate) struct TableArgs {
    #[command(subcommand)]
    pub(crate) action: Action,

    #[command(flatten)]
    pub(crate) options: ActionArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// List the captured tables with their states
    #[command(after_help = help_end!(
        "  walcast table list\n\
         \x20 walcast table list --json | jq '.[] | select(.state == \"quarantined\")'"
    ))]
    List,
    /// Deliver changes of quarantined tables again, and read their rows, after the cause is fixed
    ///
    /// Changes that were skipped are not delivered: the current rows of the table take their place. Rows that were deleted in
    /// the meantime stay in the topic. The running connector does it at once, a stopped one at its next start.
    #[command(after_help = help_end!(
        "  walcast table resume public.prices\n\
         \x20 walcast table resume 'public.*'"
    ))]
    Resume {
        /// Pattern over schema.table of quarantined tables
        #[arg(required = true, value_name = "PATTERN")]
        tables: Vec<TablePattern>,
    },
}

/// Part of `/status`.
#[derive(Deserialize)]
struct Status {
    tables: Vec<TableReport>,
}

pub(crate) async fn table(config: Config, action: Action, json: bool) -> anyhow::Result<Exit> {
    match action {
        Action::List => list(&config, json).await,
        Action::Resume { tables } => resume::resume(&config, tables, json).await,
    }
}

async fn list(config: &Config, json: bool) -> anyhow::Result<Exit> {
    let Status { tables } = Admin::new(config)?.status().await?;
    let mut output = stdout();
    if json {
        output.json(&tables)?;
    } else if tables.is_empty() {
        output.line("no captured table is known yet")?;
    } else {
        output.lines(lines(&tables))?;
    }
    output.flush()?;
    Ok(Exit::Done)
}

/// One line for each table.
fn lines(tables: &[TableReport]) -> Vec<String> {
    let width = tables.iter().map(|table| table.table.chars().count()).max();
    let width = width.unwrap_or_default();
    let line = |table: &TableReport| {
        let since = table
            .quarantine
            .as_ref()
            .map(|quarantine| format!("since {} ({})", quarantine.since, quarantine.reason));
        let details: Vec<String> = since.into_iter().chain(table.finding.clone()).collect();
        let line = format!(
            "{:<width$}  {:<15}  {}",
            table.table,
            table.state,
            details.join(": ")
        );
        line.trim_end().to_owned()
    };
    tables.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::lines;
    use crate::admin::TableReport;

    #[test]
    fn each_table_is_one_line() {
        let tables: Vec<TableReport> = serde_json::from_str(
            r#"[{"table":"public.prices","state":"quarantined","finding":"column price: no decimal","quarantine":
                 {"reason":"mapping","since":"0/16B3748/3","lsn":"0/16B3700","entered":null}},
                {"table":"public.keyless","state":"waiting_for_sql","finding":"no replica identity"},
                {"table":"public.items","state":"streaming"}]"#,
        )
        .unwrap();
        expect![[r#"
            public.prices   quarantined      since 0/16B3748/3 (mapping): column price: no decimal
            public.keyless  waiting_for_sql  no replica identity
            public.items    streaming"#]]
        .assert_eq(&lines(&tables).join("\n"));
    }
}
