//! What the connector reported of tables whose changes do not arrive.

/// Log lines that report missing changes, by a part of their text.
const REPORTS: [&str; 5] = [
    "publication drift: changes would be missed",
    "changes made in the meantime were not delivered",
    "cannot be added to the publication",
    "table is left out",
    "renamed to a name that is not captured, its rows are skipped",
];

/// A finding that excuses missing changes only for as long as it lasts: the table is not published, and its rows are read once it is.
const LASTING: [&str; 2] = ["no replica identity", "cannot be added to the publication"];

/// Findings that concern every table.
const GENERAL: [&str; 2] = ["does not publish ", "does not exist"];

/// Reasons for a halt that a sequence can cause.
const HALTS: [&str; 8] = [
    "is captured but not in publication",
    "is unlogged, so its changes are not in the WAL",
    "does not publish ",
    "which was dropped before its rows were read",
    "was dropped or altered before these rows were read",
    "what was changed in (",
    // A first start needs all rights on all tables.
    "must be owner of",
    "existing rows of ",
];

/// Everything that the connector reported.
#[derive(Clone, Debug, Default)]
pub(super) struct Reports {
    /// Findings in `/status` at the end.
    pub(super) findings: Vec<String>,
    /// The process log.
    pub(super) log: String,
    /// Last line of a connector that halted.
    pub(super) halt: Option<String>,
}

impl Reports {
    /// Whether missing changes of a table were reported.
    pub(super) fn excuse(&self, table: &str) -> bool {
        let named = |text: &str| names(text, table) || GENERAL.iter().any(|general| text.contains(general));
        let lasts = self.findings.iter().any(|finding| named(finding));
        let reported = self.log.lines().any(|line| {
            REPORTS.iter().any(|report| line.contains(report))
                && !LASTING.iter().any(|lasting| line.contains(lasting))
                && named(line)
        });
        self.halt.is_some() || lasts || reported
    }

    /// Whether a halt has one of the reasons that a sequence can cause.
    pub(super) fn is_expected(halt: &str) -> bool {
        HALTS.iter().any(|reason| halt.contains(reason))
    }
}

/// Whether a text contains the whole name of a table.
fn names(text: &str, table: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(table).any(|(start, _)| {
        let before = text.get(..start).and_then(|before| before.chars().next_back());
        let after = text
            .get(start + table.len()..)
            .and_then(|after| after.chars().next());
        !before.is_some_and(|c| is_part(c) || c == '.') && !after.is_some_and(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(line: &str) -> Reports {
        Reports {
            log: line.to_owned(),
            ..Reports::default()
        }
    }

    #[test]
    fn a_table_is_excused_by_its_whole_name() {
        let drift = "WARN publication drift: changes would be missed error=table public.t1 is unlogged";
        assert!(log(drift).excuse("public.t1"));
        assert!(!log(drift).excuse("public.t"));
        assert!(!log(drift).excuse("public.t11"));
        assert!(!log("INFO tables added tables=public.t1").excuse("public.t1"));
    }

    #[test]
    fn a_missing_identity_excuses_while_it_lasts() {
        let finding = "table public.t1 has no replica identity: once published";
        let line = format!("WARN publication drift: changes would be missed error={finding}");
        assert!(!log(&line).excuse("public.t1"));
        let lasts = Reports {
            findings: vec![finding.to_owned()],
            ..Reports::default()
        };
        assert!(lasts.excuse("public.t1") && !lasts.excuse("public.t2"));
    }
}
