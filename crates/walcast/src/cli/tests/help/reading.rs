//! Help of the commands that read topics back.

use expect_test::expect;

use super::check_help;

#[test]
fn help_of_history() {
    check_help(&["history"], &expect![[]]);
}

#[test]
fn help_of_blame() {
    check_help(&["blame"], &expect![[]]);
}

#[test]
fn help_of_explain() {
    check_help(&["explain"], &expect![[]]);
}

#[test]
fn help_of_checkpoint_at() {
    check_help(&["checkpoint", "at"], &expect![[]]);
}
