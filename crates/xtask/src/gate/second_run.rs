//! Second run of tests whose first was inconclusive.
//!
//! A wait for a condition has a limit, so that a fault ends the run instead of hanging it. Programs run side by side, and on a machine
//! that other work slows down the limit can pass without a fault. Such a test is run once more, alone, when all others have ended; the
//! report names it. A test that fails in any other way has shown something, and is not run again.

use std::process::Command;

/// Parts of the message of a wait whose limit has passed: the text of `walcast_testbed::Error::TimedOut`, and its debug form, which
/// `unwrap` prints.
const LIMIT_PASSED: [&str; 2] = [" did not happen within ", "on an `Err` value: TimedOut {"];

/// Names of the tests that failed, if each only because the limit of a wait has passed. `output` is what libtest printed.
pub(super) fn inconclusive(output: &str) -> Option<Vec<String>> {
    let failed = failed_tests(output);
    let all_waited = failed.iter().all(|test| {
        let panics = panics_of(test, output);
        !panics.is_empty()
            && panics
                .iter()
                .all(|message| LIMIT_PASSED.iter().any(|part| message.contains(part)))
    });
    (!failed.is_empty() && all_waited).then_some(failed)
}

/// The list at the end of libtest's output.
fn failed_tests(output: &str) -> Vec<String> {
    let lines = output.lines();
    let failed = lines.filter_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"));
    failed.map(str::to_owned).collect()
}

/// First lines of the messages of all panics in the captured output of a test.
fn panics_of<'a>(test: &str, output: &'a str) -> Vec<&'a str> {
    let heading = format!("---- {test} stdout ----");
    let section = output
        .lines()
        .skip_while(|line| *line != heading)
        .skip(1)
        .take_while(|line| !line.starts_with("---- ") && *line != "failures:");
    let mut messages = Vec::new();
    let mut is_message = false;
    for line in section {
        if is_message {
            messages.push(line);
        }
        is_message = line.starts_with("thread '") && line.contains(" panicked at ");
    }
    messages
}

/// The program of the first run, with these tests only.
pub(super) fn command(first: &Command, tests: &[String]) -> Command {
    let mut command = Command::new(first.get_program());
    command.arg("--exact").args(tests);
    if let Some(folder) = first.get_current_dir() {
        command.current_dir(folder);
    }
    for (name, value) in first.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAITED: &str = "\
test slow::a ... FAILED
test slow::b ... ok

failures:

---- slow::a stdout ----

thread 'slow::a' (28685) panicked at tests/src/awaiting.rs:14:33:
the cause to be named did not happen within 240 s
stack backtrace:
   0: core::panicking::panic_fmt


failures:
    slow::a

test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 7 filtered out; finished in 250.82s
";

    #[test]
    fn a_wait_whose_limit_has_passed_is_inconclusive() {
        assert_eq!(inconclusive(WAITED), Some(vec!["slow::a".to_owned()]));
    }

    #[test]
    fn any_other_failure_counts() {
        let other = WAITED.replace("did not happen within 240 s", "was doubled");
        assert_eq!(inconclusive(&other), None);
        // A second panic of the same test, in another thread.
        let both = WAITED.replace(
            "stack backtrace:",
            "thread 'tokio' (1) panicked at tests/src/x.rs:1:1:\na row was doubled\nstack backtrace:",
        );
        assert_eq!(inconclusive(&both), None);
        // A second test beside it.
        let second = format!(
            "test slow::c ... FAILED\n{WAITED}\n---- slow::c stdout ----\nthread 'slow::c' panicked at x.rs:1:1:\nlost\n"
        );
        assert_eq!(inconclusive(&second), None);
    }

    #[test]
    fn a_program_that_died_has_no_inconclusive_tests() {
        assert_eq!(inconclusive("test slow::a ... "), None);
        assert_eq!(inconclusive("test slow::a ... FAILED\n"), None);
    }

    #[test]
    fn the_second_run_is_of_the_same_program() {
        let mut first = Command::new("/x/shared");
        first
            .args(["--exact", "a", "b"])
            .current_dir("/x")
            .env("WALCAST_BIN", "/x/walcast");
        let second = command(&first, &["b".to_owned()]);
        assert_eq!(
            format!("{second:?}"),
            "cd \"/x\" && WALCAST_BIN=\"/x/walcast\" \"/x/shared\" \"--exact\" \"b\""
        );
    }
}
