//! Tests with servers, program by program, two of them side by side: most of their time they wait.

use std::collections::VecDeque;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::programs::{self, Program};

/// How many run at once. Each starts a broker and servers of its own.
const SIDE_BY_SIDE: usize = 2;

/// Those that take longest, begun first so that none of them is left alone at the end.
const LONG: [&str; 6] = [
    "conformance",
    "chaos",
    "interruptions",
    "takeover",
    "taking_over",
    "large_transaction",
];

/// Builds and runs the test programs that `selection` chooses.
pub(super) fn run(selection: &[&str]) -> Result<()> {
    let mut programs = programs::build(selection)?;
    programs.sort_by_key(|program| rank(&program.name));
    let total = programs.len();
    let waiting = Mutex::new(VecDeque::from(programs));
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                while let Some(program) = next(&waiting, &failed) {
                    if let Err(error) = play(&program) {
                        eprintln!("==> {}: {error:#}", program.name);
                        locked(&failed).push(program.name);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    let left = locked(&waiting).len();
    if !failed.is_empty() {
        bail!(
            "failed: {}; not run: {left} of {total} programs",
            failed.join(", ")
        );
    }
    Ok(())
}

fn rank(name: &str) -> usize {
    LONG.iter().position(|long| *long == name).unwrap_or(LONG.len())
}

/// The next one; none when one has failed, as nobody needs the others then.
fn next(waiting: &Mutex<VecDeque<Program>>, failed: &Mutex<Vec<String>>) -> Option<Program> {
    if !locked(failed).is_empty() {
        return None;
    }
    locked(waiting).pop_front()
}

/// Runs one, and shows what it printed when it is done: the lines of two would be mixed.
fn play(program: &Program) -> Result<()> {
    let begun = Instant::now();
    eprintln!("==> {} begins", program.name);
    let output = Command::new(&program.path)
        .current_dir(&program.package)
        .output()
        .with_context(|| format!("cannot start {}", program.path.display()))?;
    let text = [&output.stderr, &output.stdout].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    eprint!("{}", text.concat());
    if !output.status.success() {
        bail!("{} ended with {}", program.path.display(), output.status);
    }
    eprintln!("==> {} ok, {} s", program.name, begun.elapsed().as_secs());
    Ok(())
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn program(name: &str, path: &str) -> Program {
        Program {
            name: name.to_owned(),
            path: path.into(),
            package: Path::new(".").to_owned(),
        }
    }

    #[test]
    fn what_fails_is_told() {
        play(&program("good", "true")).unwrap();
        let error = play(&program("bad", "false")).unwrap_err().to_string();
        assert!(error.contains("false ended with exit status: 1"), "{error}");
        let error = play(&program("none", "/does/not/exist")).unwrap_err().to_string();
        assert!(error.contains("cannot start /does/not/exist"), "{error}");
    }

    #[test]
    fn after_a_failure_nothing_is_begun() {
        let waiting = || Mutex::new(VecDeque::from([program("next", "true")]));
        assert!(next(&waiting(), &Mutex::default()).is_some());
        assert!(next(&waiting(), &Mutex::new(vec!["bad".to_owned()])).is_none());
    }
}
