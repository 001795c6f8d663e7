//! Help of the command that compares the source with the topics.

use expect_test::expect;

use super::check_help;

#[test]
fn help_of_verify() {
    check_help(&["verify"], &expect![[""]]);
}
