//! State of the database that the comments of the configuration describe.

use walcast_postgres::{SetupSession, Survey, SurveyedTable};

use super::decisions::{Decision, decisions};
use crate::cli::check::{Finding, size};
use crate::config::Config;

/// State of the database.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    pub(super) database: String,
    /// Version of the server (`server_version_num`).
    pub(super) server_version: u32,
    pub(super) survey: Survey,
    pub(super) decisions: Vec<Decision>,
    /// Findings of `walcast check` about the source.
    pub(super) findings: Vec<Finding>,
    /// Script of `walcast check --sql`.
    pub(super) script: Vec<String>,
}

/// Size from which a table is listed as large.
const LARGE_BYTES: u64 = 1 << 30;

impl Found {
    /// Inspects the source of a configuration.
    pub(super) async fn of(config: &Config, survey: Survey) -> anyhow::Result<Self> {
        let postgres = &config.postgres;
        let source_state = walcast_postgres::inspect(postgres, None).await?;
        let relations = walcast_postgres::captured_relations(postgres, &source_state).await?;
        let preconditions = walcast_postgres::preconditions(postgres).await?;
        let session = SetupSession::connect(postgres).await?;
        Ok(Self {
            server_version: source_state.server_version,
            database: source_state.database,
            survey,
            decisions: decisions(&relations),
            findings: preconditions.into_iter().map(Finding::from).collect(),
            script: session.missing().await?.lines(),
        })
    }

    /// Findings that need attention, about tables or about the rest.
    pub(super) fn open(&self, of_tables: bool) -> impl Iterator<Item = &Finding> {
        let is_open = |finding: &&Finding| !finding.ok || finding.warning;
        let open = self.findings.iter().filter(is_open);
        open.filter(move |finding| is_of_table(finding) == of_tables)
    }

    /// Tables from a gigabyte on, the largest first.
    pub(super) fn large(&self) -> Vec<&SurveyedTable> {
        let tables = self.survey.tables.iter();
        let mut large: Vec<&SurveyedTable> = tables.filter(|table| table.bytes >= LARGE_BYTES).collect();
        large.sort_by_key(|table| std::cmp::Reverse(table.bytes));
        large
    }

    /// Tables with partitions.
    pub(super) fn partitioned(&self) -> impl Iterator<Item = &SurveyedTable> {
        self.survey.tables.iter().filter(|table| table.partitions > 0)
    }

    /// Rows and size of all tables, such as `12 tables, about 1200000 rows, 3072 MB`.
    pub(super) fn total(&self) -> String {
        let tables = &self.survey.tables;
        let rows: u64 = tables.iter().map(|table| table.rows).sum();
        let bytes: u64 = tables.iter().map(|table| table.bytes).sum();
        format!("{} tables, about {rows} rows, {}", tables.len(), size(bytes))
    }

    /// Lines that the command prints once the file is written.
    pub(super) fn summary(&self, file: &str) -> Vec<String> {
        let failed = self.findings.iter().filter(|finding| !finding.ok).count();
        let warned = self
            .findings
            .iter()
            .filter(|finding| finding.ok && finding.warning)
            .count();
        vec![
            format!("wrote {file} for database {}: {}", self.database, self.total()),
            format!(
                "{failed} findings have to be fixed before a start, {warned} are warnings; the file has them as comments"
            ),
            format!("next: walcast check --config {file}"),
        ]
    }
}

fn is_of_table(finding: &Finding) -> bool {
    finding.name.starts_with("table ") || finding.name.starts_with("partition ")
}
