//! Plays one sequence and judges it.

use walcast_testbed::TopicReader;

use super::connector::{Connector, HALTED, REJECTED};
use super::delivered::read;
use super::reports::Reports;
use super::source::{Played, Source};
use super::stage::{Stage, publication};
use super::step::{Action, OWNER, Sequence, Step};
use super::verdict::Verdict;

/// A table that is created last: once its rows were read, every earlier table was inspected.
const LAST: &str = "public.zz_last";
/// A table that always exists, so that the captured schema is never empty.
const ANCHOR: &str = "public.anchor";

/// What became of a sequence.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    /// Transactions that were committed.
    pub(super) committed: u64,
    /// Transactions that fail without a publication too.
    pub(super) impossible: Vec<String>,
    /// Statements that Postgres refuses for any published table.
    pub(super) inherent: Vec<String>,
    /// Message of a halt.
    pub(super) halt: Option<String>,
    /// The comparison.
    pub(super) verdict: Verdict,
    /// Everything that is not as it must be.
    pub(super) failures: Vec<String>,
    /// The end of the process log.
    pub(super) log: String,
}

/// Plays a sequence on the servers under a name of its own.
pub(super) async fn execute(stage: &Stage, sequence: &Sequence, name: &str) -> Outcome {
    let mut execution = Execution {
        source: stage.source(name, sequence).await,
        connector: Connector::new(stage.config(name, sequence.role)),
        publication: publication(name),
        outcome: Outcome::default(),
    };
    for step in &sequence.steps {
        execution.step(step).await;
        execution.connector.is_running();
        if execution.connector.ended.is_some() {
            break;
        }
    }
    let findings = execution.finish(stage, name).await;
    execution.judge(stage, name, findings).await;
    let Execution { source, outcome, .. } = execution;
    drop(source);
    stage.clear(name).await;
    outcome
}

struct Execution {
    source: Source,
    connector: Connector,
    publication: String,
    outcome: Outcome,
}

impl Execution {
    async fn step(&mut self, step: &Step) {
        match step {
            Step::Transaction { statements, commits } => {
                match self.source.transaction(statements, *commits).await {
                    Played::Committed => self.outcome.committed += 1,
                    Played::RolledBack => {}
                    Played::Impossible(error) => self.outcome.impossible.push(error),
                    // A process that was suspended while it read a table holds the table's lock.
                    Played::Refused(refusal)
                        if refusal.is_inherent || refusal.is_lock && self.connector.is_frozen() =>
                    {
                        self.outcome.inherent.push(refusal.text);
                    }
                    Played::Refused(refusal) => {
                        let text = format!("refused because of walcast: {}", refusal.text);
                        self.outcome.failures.push(text);
                    }
                }
            }
            Step::Operator(sql) => self.operate(sql).await,
            Step::Connector(action) => self.act(action).await,
        }
    }

    /// A change of the publication that walcast does not make; a connector that runs has to report it.
    async fn operate(&mut self, sql: &str) {
        let sql = sql.replace("{publication}", &self.publication);
        // Before the first start there is no publication.
        if self.source.operate(&sql).await.is_err() || !self.connector.is_running() {
            return;
        }
        let what = format!("a finding after {sql}");
        self.connector
            .await_that(&what, async |connector| !connector.findings().await.is_empty())
            .await;
    }

    async fn act(&mut self, action: &Action) {
        let connector = &mut self.connector;
        match action {
            Action::Start => {
                connector.launch();
                connector.ready().await;
            }
            Action::Launch => connector.launch(),
            Action::Stop => connector.stop().await,
            Action::Kill => connector.kill(),
            Action::Freeze => connector.freeze(),
            Action::Thaw => connector.thaw(),
            Action::Reconnect => self.source.end_stream(&self.publication).await,
            Action::Read(table) => {
                if connector.is_running() && connector.ready().await {
                    let arguments = ["snapshot", "start", "--tables", table];
                    // A table that cannot be read is refused, and stops nothing.
                    crate::run(connector.config(), &arguments).await;
                }
            }
            Action::CatchUp => self.catch_up().await,
        }
    }

    /// Waits until everything that was written is in Kafka.
    async fn catch_up(&mut self) {
        if !self.connector.ready().await {
            return;
        }
        let position = self.source.position().await;
        let sql = format!("INSERT INTO {ANCHOR} DEFAULT VALUES");
        self.source.operate(&sql).await.unwrap();
        self.connector.delivered(position).await;
    }

    /// Waits until everything is delivered, every table was inspected and every row was read; the findings at that time.
    async fn finish(&mut self, stage: &Stage, name: &str) -> Vec<String> {
        self.connector.thaw();
        self.connector.launch();
        if !self.connector.ready().await {
            return Vec::new();
        }
        let sql = format!(
            "CREATE TABLE {LAST} (id int PRIMARY KEY); INSERT INTO {LAST} VALUES (1); ALTER TABLE {LAST} OWNER TO {OWNER}"
        );
        self.source.operate(&sql).await.unwrap();
        self.catch_up().await;
        let topic = format!("{name}.{LAST}");
        let mut reader = TopicReader::new(&stage.brokers(), [topic]);
        let mut records = 0;
        // Where the publication is FOR ALL TABLES, the row comes as a change first.
        let wanted = if self.source.is_published_by_operator() {
            2
        } else {
            1
        };
        self.connector
            .await_that("the row of the last table", async |_| {
                records += reader.read_new().await.unwrap().len();
                records >= wanted
            })
            .await;
        self.connector
            .await_that("the end of reading", async |connector| {
                let status = connector.status().await.unwrap_or_default();
                status["snapshot"]["state"] == "none"
            })
            .await;
        self.catch_up().await;
        // Findings of an earlier inspection lack what was altered since.
        let position = self.source.position().await;
        let sql = format!("INSERT INTO {ANCHOR} DEFAULT VALUES");
        self.source.operate(&sql).await.unwrap();
        self.connector.inspected(position).await;
        let findings = self.connector.findings().await;
        self.connector.stop().await;
        findings
    }

    async fn judge(&mut self, stage: &Stage, name: &str, findings: Vec<String>) {
        let log = self.connector.log();
        self.connector.kill();
        let last = log.lines().last().unwrap_or_default().to_owned();
        let outcome = &mut self.outcome;
        match self.connector.ended {
            None => {}
            Some(HALTED | REJECTED) if Reports::is_expected(&last) => outcome.halt = Some(last),
            Some(code) => {
                let text = format!("walcast ended with code {code}: {last}");
                outcome.failures.push(text);
            }
        }
        if log.contains("panicked at") {
            outcome.failures.push("walcast panicked".to_owned());
        }
        let mut delivered = read(&stage.brokers(), &stage.registry(), name).await;
        for own in [ANCHOR, LAST] {
            delivered.remove(own);
        }
        let reports = Reports {
            findings,
            log,
            halt: self.connector.ended.map(|_| String::new()),
        };
        outcome.verdict = Verdict::of(&self.source.journal, &delivered, &reports);
        outcome
            .failures
            .extend(outcome.verdict.differences.iter().cloned());
        outcome.log = self.connector.log_end();
    }
}
