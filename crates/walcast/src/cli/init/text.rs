//! Text of the written configuration.

use toml::Value;
use walcast_postgres::{SurveyedSlot, SurveyedTable};

use super::found::Found;
use super::settings::{Settings, pattern};
use crate::cli::check::{Finding, size};
use crate::printable::printable;

/// Maximum number of names in one list.
const NAMES_MAX: usize = 10;

/// Configuration with these settings; the comments about the database are left out if it was not inspected yet.
pub(super) fn text(settings: &Settings, found: Option<&Found>) -> String {
    let mut file = File::default();
    head(&mut file, found);
    file.line(&format!("name = {}", string(&settings.name)));
    postgres(&mut file, settings, found);
    file.section("kafka");
    file.line(&format!("brokers = {}", string(&settings.brokers)));
    registry(&mut file, settings);
    if let Some(found) = found {
        snapshot(&mut file, found);
        types(&mut file, found);
        administrator(&mut file, found);
        findings(&mut file, found);
    }
    file.text
}

/// Text under construction.
#[derive(Default)]
struct File {
    text: String,
}

impl File {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn section(&mut self, table: &str) {
        self.line(&format!("\n[{table}]"));
    }

    /// A comment of one line, whatever names it contains.
    fn comment(&mut self, text: &str) {
        self.line(format!("# {}", printable(text)).trim_end());
    }
}

/// A TOML string. A `${` is escaped, because it would begin a variable.
fn string(text: &str) -> String {
    Value::String(text.replace("${", "$${")).to_string()
}

fn head(file: &mut File, found: Option<&Found>) {
    if let Some(found) = found {
        file.comment(&format!(
            "Written by walcast init for database {} (Postgres {}.{}): {}.",
            found.database,
            found.server_version / 10_000,
            found.server_version % 10_000,
            found.total()
        ));
    }
    file.comment("docs/configuration.md describes every key. walcast check says what is left to do, walcast run streams.");
    file.line("");
}

fn postgres(file: &mut File, settings: &Settings, found: Option<&Found>) {
    file.section("postgres");
    if settings.had_password {
        file.comment("The password of the command line is not written here. It comes from the environment variable PGPASSWORD, from");
        file.comment("~/.pgpass, or from a file with the password alone, which only the user of the connector can read:");
        file.comment("password_file = \"/etc/walcast/postgres-password\"");
    }
    file.line(&format!("url = {}", string(&settings.url)));
    if settings.schemas.is_empty() {
        if found.is_some() {
            file.comment("The database has no table yet.");
        }
        file.comment("tables = [\"public.*\"]");
    } else {
        file.comment("Tables that are created later are captured too, if a pattern matches them.");
        let patterns = settings
            .schemas
            .iter()
            .map(|schema| Value::String(pattern(schema).replace("${", "$${")));
        file.line(&format!("tables = {}", Value::Array(patterns.collect())));
    }
    let Some(found) = found else { return };
    let of_tables: Vec<&Finding> = found.open(true).collect();
    if !of_tables.is_empty() {
        file.comment("Tables that need a decision:");
        for finding in &of_tables {
            file.comment(&format!("  {}: {}", finding.name, finding.detail));
        }
        file.comment("exclude = [\"schema.table\"]");
    }
    let partitioned: Vec<String> = found.partitioned().map(partitions).collect();
    if !partitioned.is_empty() {
        file.comment("Changes of partitions are sent as those of their table; \"leaf\" gives each partition a topic of its own:");
        file.comment(&format!("  {}", list(&partitioned)));
        file.comment("partitions = \"root\"");
    }
    let survey = &found.survey;
    if !survey.publications.is_empty() {
        file.comment(&format!(
            "Publications of the database: {}.",
            list(&survey.publications)
        ));
    }
    if !survey.slots.is_empty() {
        let slots: Vec<String> = survey.slots.iter().map(slot).collect();
        file.comment(&format!("Slots of the database: {}.", list(&slots)));
    }
}

fn partitions(table: &SurveyedTable) -> String {
    format!("{} ({} partitions)", table.name, table.partitions)
}

fn slot(slot: &SurveyedSlot) -> String {
    let SurveyedSlot {
        name,
        plugin,
        active,
        retained_bytes,
    } = slot;
    let state = if *active { "in use" } else { "not in use" };
    format!(
        "{name} ({plugin}, {state}, retains {} of WAL)",
        size(*retained_bytes)
    )
}

/// Names separated by commas; those beyond the limit are counted.
fn list(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(NAMES_MAX).map(String::as_str).collect();
    match names.len().checked_sub(NAMES_MAX) {
        None | Some(0) => shown.join(", "),
        Some(more) => format!("{} and {more} more", shown.join(", ")),
    }
}

fn registry(file: &mut File, settings: &Settings) {
    if let Some(url) = &settings.registry {
        file.section("registry");
        file.line(&format!("url = {}", string(url)));
        return;
    }
    file.section("format");
    file.comment("Without a schema registry, records are JSON. For Avro, delete both lines and set url under [registry].");
    file.line("key = \"json\"");
    file.line("value = \"json\"");
}

fn snapshot(file: &mut File, found: &Found) {
    file.section("snapshot");
    file.comment(&format!(
        "The first start reads the existing rows: {}.",
        found.total()
    ));
    let large = found.large();
    if !large.is_empty() {
        file.comment("Large tables:");
        for table in large.iter().take(NAMES_MAX) {
            file.comment(&format!(
                "  {}: about {} rows, {}",
                table.name,
                table.rows,
                size(table.bytes)
            ));
        }
        file.comment("Each of these settings changes how much is read, or how fast:");
        file.comment("parallelism = 4");
        file.comment("bytes_per_second = \"20MB\"");
    }
    file.comment("With mode = \"never\", only changes are streamed:");
    file.comment("mode = \"never\"");
}

fn types(file: &mut File, found: &Found) {
    if found.decisions.is_empty() {
        return;
    }
    file.section("types");
    for decision in &found.decisions {
        file.comment(&format!("{}: {}", decision.why, list(&decision.columns)));
        file.comment(decision.setting);
    }
}

fn administrator(file: &mut File, found: &Found) {
    file.line("");
    file.comment("SQL of walcast check --sql. walcast check --fix executes what the role of the connector may execute.");
    for line in &found.script {
        file.comment(&format!("  {line}"));
    }
}

fn findings(file: &mut File, found: &Found) {
    file.line("");
    if !found.survey.settings.is_empty() {
        let settings = found.survey.settings.iter();
        let settings: Vec<String> = settings
            .map(|(name, value)| format!("{name} = {value}"))
            .collect();
        file.comment(&format!("Settings of the server: {}.", settings.join(", ")));
    }
    let open: Vec<&Finding> = found.open(false).collect();
    if open.is_empty() {
        file.comment("walcast check found nothing else to do in Postgres.");
        return;
    }
    file.comment("Found by walcast check in Postgres:");
    for finding in open {
        let mark = if finding.ok { "WARN" } else { "FAIL" };
        file.comment(&format!("  {mark}  {}: {}", finding.name, finding.detail));
    }
}
