//! Programs side by side, by weight: tests with servers wait most of their time, so several of them share the processors,
//! and what computes counts double. One that fails stops no other. Tests whose run was inconclusive are run again at the end.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::seconds::{Outcome, Part};
use super::{cpu, second_run};

/// The weight that each processor carries.
const WEIGHT_PER_PROCESSOR: usize = 3;

/// How often the processor time of a running program is read.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A program to run.
pub(super) struct Task {
    pub(super) step: &'static str,
    pub(super) name: String,
    /// How much of the machine it takes: 2 for what keeps a processor busy.
    pub(super) weight: usize,
    pub(super) command: Command,
}

/// Runs all, in this order as far as their weights allow, and returns how each ended. Their outputs are kept in the
/// folder `logs`.
pub(super) fn run(tasks: Vec<Task>, logs: &Path) -> Result<Vec<Part>> {
    fs::create_dir_all(logs).with_context(|| format!("cannot make {}", logs.display()))?;
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let room = Room::new(processors * WEIGHT_PER_PROCESSOR);
    let waiting = Mutex::new(VecDeque::from(tasks));
    let ended = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..room.all {
            scope.spawn(|| {
                while let Some(task) = next(&waiting, &room) {
                    let weight = task.weight;
                    let end = play(task, logs);
                    room.leave(weight);
                    locked(&ended).push(end);
                }
            });
        }
    });
    let ended = ended.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(ended.into_iter().map(|end| settle(end, logs)).collect())
}

/// How a program ended.
struct Ended {
    part: Part,
    /// Its tests whose run was inconclusive, where no other failed.
    again: Option<Task>,
}

/// Runs inconclusive tests once more, with nothing beside them.
fn settle(first: Ended, logs: &Path) -> Part {
    let Ended { mut part, again } = first;
    let Some(task) = again else { return part };
    let second = play(task, logs).part;
    if second.outcome == Outcome::Passed {
        part.outcome = Outcome::PassedAlone;
    }
    part.seconds += second.seconds;
    part.cpu_seconds += second.cpu_seconds;
    part
}

/// The next one, when there is room for it; those behind it wait too, so that a heavy one is not passed for ever.
fn next(waiting: &Mutex<VecDeque<Task>>, room: &Room) -> Option<Task> {
    let mut waiting = locked(waiting);
    let task = waiting.pop_front()?;
    room.enter(task.weight);
    Some(task)
}

/// Weight that is not taken.
struct Room {
    all: usize,
    left: Mutex<usize>,
    changed: Condvar,
}

impl Room {
    fn new(all: usize) -> Self {
        Room {
            all,
            left: Mutex::new(all),
            changed: Condvar::new(),
        }
    }

    /// Waits until there is so much; what is heavier than all waits for all.
    fn enter(&self, weight: usize) {
        let weight = weight.min(self.all);
        let left = locked(&self.left);
        let waited = self.changed.wait_while(left, |left| *left < weight);
        *waited.unwrap_or_else(PoisonError::into_inner) -= weight;
    }

    fn leave(&self, weight: usize) {
        *locked(&self.left) += weight.min(self.all);
        self.changed.notify_all();
    }
}

/// Runs one, and shows its output if it fails.
fn play(task: Task, logs: &Path) -> Ended {
    let Task {
        step,
        name,
        mut command,
        ..
    } = task;
    let log = logs.join(format!("{}.log", name.replace(['/', ' '], "-")));
    eprintln!("==> {name} begins");
    let begun = Instant::now();
    let mut cpu_seconds = 0.0;
    let result = supervise(&mut command, &log, &mut cpu_seconds).and_then(|status| {
        ensure!(
            status.success(),
            "{} ended with {status}",
            command.get_program().display()
        );
        Ok(())
    });
    let seconds = begun.elapsed().as_secs_f64();
    match &result {
        Ok(()) => eprintln!("==> {name} ok, {seconds:.0} s: {}", last_result(&log)),
        Err(error) => eprintln!("{}\n==> {name} FAILED: {error:#}", text_of(&log)),
    }
    let tests = match &result {
        Ok(()) => None,
        Err(_) => second_run::inconclusive(&text_of(&log)),
    };
    let again = tests.map(|tests| Task {
        step,
        name: format!("{name}, second run"),
        weight: 1,
        command: second_run::command(&command, &tests),
    });
    let outcome = if result.is_ok() {
        Outcome::Passed
    } else {
        Outcome::Failed
    };
    let part = Part {
        step,
        name,
        outcome,
        seconds,
        cpu_seconds,
    };
    Ended { part, again }
}

fn supervise(command: &mut Command, log: &Path, cpu_seconds: &mut f64) -> Result<ExitStatus> {
    let output = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let errors = output.try_clone().context("cannot open the log file twice")?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    loop {
        if let Some(status) = child.try_wait().context("cannot wait")? {
            return Ok(status);
        }
        // Servers are killed with the program that started them: what they used is known only before.
        *cpu_seconds = cpu::tree_seconds(child.id()).max(*cpu_seconds);
        thread::sleep(LOOK_EVERY);
    }
}

fn text_of(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What the tests of a program say of themselves at the end.
fn last_result(log: &Path) -> String {
    let text = text_of(log);
    let last = text
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("test result: ok. "));
    last.map_or_else(|| log.display().to_string(), str::to_owned)
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn task(name: &str, program: &str) -> Task {
        Task {
            step: "unit",
            name: name.to_owned(),
            weight: 1,
            command: Command::new(program),
        }
    }

    #[test]
    fn a_failure_is_reported_and_stops_no_other() {
        let tasks = vec![
            task("bad", "false"),
            task("none", "/does/not/exist"),
            task("good", "true"),
        ];
        let logs = std::env::temp_dir().join(format!("walcast-queue-{}", std::process::id()));
        let mut parts = run(tasks, &logs).unwrap();
        fs::remove_dir_all(&logs).unwrap();
        parts.sort_by(|a, b| a.name.cmp(&b.name));
        let outcomes: Vec<_> = parts
            .iter()
            .map(|part| (part.name.as_str(), part.outcome))
            .collect();
        assert_eq!(
            outcomes,
            [
                ("bad", Outcome::Failed),
                ("good", Outcome::Passed),
                ("none", Outcome::Failed)
            ]
        );
    }

    #[test]
    fn an_inconclusive_test_runs_again_alone() {
        let folder = std::env::temp_dir().join(format!("walcast-second-run-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut waits = task(
            "waits",
            concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/inconclusive.sh"),
        );
        waits.command.current_dir(&folder);
        let parts = run(vec![waits], &folder.join("logs")).unwrap();
        assert_eq!(parts[0].outcome, Outcome::PassedAlone);
        let parts = run(vec![task("bad", "false")], &folder.join("logs")).unwrap();
        assert_eq!(parts[0].outcome, Outcome::Failed);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn weights_are_never_more_than_there_is_room() {
        let room = Room::new(4);
        let (taken, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for weight in [1, 2, 3, 4, 9, 1, 2, 3] {
                let (room, taken, most) = (&room, &taken, &most);
                scope.spawn(move || {
                    room.enter(weight);
                    let now = taken.fetch_add(weight.min(4), Ordering::SeqCst) + weight.min(4);
                    most.fetch_max(now, Ordering::SeqCst);
                    thread::yield_now();
                    taken.fetch_sub(weight.min(4), Ordering::SeqCst);
                    room.leave(weight);
                });
            }
        });
        assert!(most.load(Ordering::SeqCst) <= 4);
        assert_eq!(*room.left.lock().unwrap(), 4);
    }
}
