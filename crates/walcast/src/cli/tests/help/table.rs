//! Help of the command for captured tables.

use expect_test::expect;

use super::check_help;

#[test]
fn help_of_table() {
    check_help(&["table"], &expect![[]]);
}

#[test]
fn help_of_table_resume() {
    check_help(&["table", "resume"], &expect![[]]);
}
