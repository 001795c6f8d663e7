//! What is missing in the source before the first start: statements, and notes for an operator.

/// Missing privileges, publication and slot: the statements that create them, in the order of execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setup {
    /// Database in which the statements are executed.
    pub database: String,
    /// What an operator has to know or to do beside the statements.
    pub notes: Vec<String>,
    /// Statements, without a semicolon at the end.
    pub statements: Vec<SetupStatement>,
}

/// Statement of a [`Setup`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupStatement {
    /// Text of the statement.
    pub sql: String,
    /// Object that the statement creates or alters.
    pub purpose: SetupPurpose,
}

/// Object of a [`SetupStatement`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetupPurpose {
    /// Privilege of the role of the connector, or of the role that reads rows.
    Privilege,
    /// Publication.
    Publication,
    /// Slot, which cannot decode changes from before the publication: it is created after the publication.
    Slot,
}

impl Setup {
    /// Lines of an SQL script.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let heading = match self.statements.is_empty() {
            true => format!("nothing is missing in database {}", self.database),
            false => format!(
                "to be run once in database {} by an administrator, before the first start",
                self.database
            ),
        };
        let notes = self.notes.iter();
        let comments = [&heading].into_iter().chain(notes).map(|note| comment(note));
        let statements = self.statements.iter();
        let statements = statements.map(|statement| format!("{};", statement.sql));
        comments.chain(statements).collect()
    }
}

/// A comment of one line, whatever names it contains.
fn comment(text: &str) -> String {
    format!("-- {}", text.replace(['\n', '\r'], " "))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn script_names_the_database_and_ends_each_statement() {
        let mut setup = Setup {
            database: "shop".to_owned(),
            notes: vec!["table public.a\nb is left out: it is unlogged".to_owned()],
            statements: vec![SetupStatement {
                sql: "ALTER ROLE walcast REPLICATION".to_owned(),
                purpose: SetupPurpose::Privilege,
            }],
        };
        expect![[r"
            -- to be run once in database shop by an administrator, before the first start
            -- table public.a b is left out: it is unlogged
            ALTER ROLE walcast REPLICATION;"]]
        .assert_eq(&setup.lines().join("\n"));
        (setup.notes, setup.statements) = (Vec::new(), Vec::new());
        expect!["-- nothing is missing in database shop"].assert_eq(&setup.lines().join("\n"));
    }
}
