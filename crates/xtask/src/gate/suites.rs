//! Which processes the test programs are run in, and how much of the machine each takes.
//!
//! The end-to-end tests are few programs, which are linked quickly, and more processes: each process has a broker and a
//! registry that its tests share. A module that no process names gets one of its own, so that none is forgotten.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::queue::Task;
use crate::programs::Program;

/// The package of the end-to-end tests, and the library of their helpers, whose own tests need no server.
const END_TO_END: (&str, &str) = ("walcast-tests", "walcast_tests");

/// Modules of end-to-end tests, by program, that share a process; the longest first.
const PROCESSES: [(&str, &[&str]); 20] = [
    ("conformance_and_chaos", &["conformance"]),
    ("conformance_and_chaos", &["chaos"]),
    ("conformance_and_chaos", &["newest_debezium"]),
    ("conformance_and_chaos", &["sweep"]),
    ("shared", &["hostile"]),
    ("own", &["interruptions"]),
    ("failover", &["takeover", "two_instances"]),
    ("failover", &["offset_import"]),
    ("shared", &["large_transaction", "memory"]),
    ("shared", &["snapshots"]),
    ("failover", &["failover"]),
    ("shared", &["recovery", "secrets"]),
    (
        "shared",
        &[
            "behind_the_catalog",
            "partitions_that_come",
            "schema_changes",
            "tables_that_come",
            "under_fire",
            "versions",
            "vertical_slice",
        ],
    ),
    (
        "own",
        &[
            "kafka_versions",
            "outbox_move_unseen",
            "outbox_poll_restarts",
            "slot_monitor",
        ],
    ),
    (
        "shared",
        &[
            "compacted_topics",
            "first_contact",
            "halts",
            "idle",
            "outbox_move",
        ],
    ),
    ("shared", &["encodings", "replay_window", "table_locks", "verify"]),
    (
        "shared",
        &["context", "examples", "history", "outbox_cleanup", "quarantine"],
    ),
    ("shared", &["dead_letters", "drift", "replay", "reselect"]),
    (
        "shared",
        &[
            "bookmarks",
            "console",
            "least_privilege",
            "refusals",
            "role_settings",
            "selections",
            "http_api",
            "consumers",
        ],
    ),
    (
        "shared",
        &[
            "admin",
            "commands",
            "event_stores",
            "heartbeats",
            "messages",
            "outbox",
            "outbox_poll",
        ],
    ),
];

/// What computes all the time.
const COMPUTES: usize = 2;
/// What waits for servers most of its time.
const WAITS: usize = 1;
/// Programs of the crates that start servers.
const WITH_SERVERS: [&str; 3] = ["servers", "smoke", "testbed"];
/// Processes whose servers take much of a processor themselves.
const HEAVY: [&str; 6] = [
    "chaos",
    "conformance",
    "large_transaction",
    "newest_debezium",
    "sweep",
    "takeover",
];

/// Seeds of the simulation, and in how many processes.
const SIMULATION_SEEDS: u64 = 10_000;
const SIMULATION_PROCESSES: u64 = 2;

/// The programs of the crates, by step.
pub(super) fn unit(programs: &[Program]) -> Vec<Task> {
    let of_crates = programs
        .iter()
        .filter(|program| program.is_test && !is_end_to_end(program));
    let tasks = of_crates.map(|program| Task {
        step: "unit",
        name: name(program),
        weight: if WITH_SERVERS.contains(&program.name.as_str()) {
            WAITS
        } else {
            COMPUTES
        },
        command: command(program),
    });
    let mut tasks: Vec<Task> = tasks.collect();
    // Those with servers last longest.
    tasks.sort_by_key(|task| task.weight);
    tasks
}

/// The simulation, share by share.
pub(super) fn simulation(programs: &[Program]) -> Result<Vec<Task>> {
    let mut found = programs
        .iter()
        .filter(|program| program.is_test && program.name == "simulation");
    let simulation = found.next().context("cargo built no test named simulation")?;
    let share = SIMULATION_SEEDS / SIMULATION_PROCESSES;
    let tasks = (0..SIMULATION_PROCESSES).map(|number| {
        let from = number * share;
        let mut command = command(simulation);
        crate::simulate::select(&mut command, from, share);
        Task {
            step: "simulation",
            name: format!("seeds {from} to {}", from + share - 1),
            weight: COMPUTES,
            command,
        }
    });
    Ok(tasks.collect())
}

/// The end-to-end tests, process by process.
pub(super) fn end_to_end(programs: &[Program]) -> Result<Vec<Task>> {
    let connector = crate::programs::find(programs, "walcast")?;
    let mut tasks = Vec::new();
    let tests = programs
        .iter()
        .filter(|program| program.is_test && is_end_to_end(program));
    for program in tests {
        let listing = list(program)?;
        for (rank, modules, tests) in processes(&program.name, &listing) {
            let mut command = command(program);
            command.arg("--exact").args(&tests).env("WALCAST_BIN", &connector);
            let weight = if modules.iter().any(|module| HEAVY.contains(&module.as_str())) {
                COMPUTES
            } else {
                WAITS
            };
            let name = format!("{}: {}", program.name, modules.join(", "));
            tasks.push((
                rank,
                Task {
                    step: "end-to-end",
                    name,
                    weight,
                    command,
                },
            ));
        }
    }
    ensure!(!tasks.is_empty(), "there are no end-to-end tests");
    tasks.sort_by_key(|(rank, _)| *rank);
    Ok(tasks.into_iter().map(|(_, task)| task).collect())
}

/// The processes of a program: rank, modules and tests. Tests outside of modules make one too.
fn processes(program: &str, tests: &[String]) -> Vec<(usize, Vec<String>, Vec<String>)> {
    let mut processes: BTreeMap<(usize, String), (Vec<String>, Vec<String>)> = BTreeMap::new();
    for test in tests {
        let module = test.split_once("::").map_or("", |(module, _)| module);
        let place = PROCESSES
            .iter()
            .position(|(name, modules)| *name == program && modules.contains(&module));
        let key = match place {
            Some(rank) => (rank, String::new()),
            None => (PROCESSES.len(), module.to_owned()),
        };
        let (modules, tests) = processes.entry(key).or_default();
        if modules.last().is_none_or(|last| last != module) && !modules.iter().any(|other| other == module) {
            modules.push(module.to_owned());
        }
        tests.push(test.clone());
    }
    let parts = processes.into_iter();
    parts
        .map(|((rank, _), (modules, tests))| (rank, modules, tests))
        .collect()
}

fn is_end_to_end(program: &Program) -> bool {
    (program.package.as_str(), program.name.as_str()) != END_TO_END && program.package == END_TO_END.0
}

/// The names of a program's tests.
fn list(program: &Program) -> Result<Vec<String>> {
    let output = command(program)
        .args(["--list", "--format", "terse"])
        .output()
        .with_context(|| format!("cannot start {}", program.path.display()))?;
    ensure!(
        output.status.success(),
        "{} --list ended with {}",
        program.name,
        output.status
    );
    let text = String::from_utf8_lossy(&output.stdout);
    let names = text.lines().filter_map(|line| line.strip_suffix(": test"));
    Ok(names.map(str::to_owned).collect())
}

fn command(program: &Program) -> Command {
    let mut command = Command::new(&program.path);
    command
        .current_dir(&program.folder)
        // As cargo does; tests of command lines read it.
        .env("CARGO_MANIFEST_DIR", &program.folder);
    command
}

/// `kafka/servers`, or `kafka` for the tests within the crate.
fn name(program: &Program) -> String {
    let package = program.package.trim_start_matches("walcast-");
    if program.name.replace('_', "-") == program.package || program.name == package {
        package.to_owned()
    } else {
        format!("{package}/{}", program.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_test_is_in_one_process() {
        let names = ["halts::a", "idle::b", "halts::c::d", "newer::e", "outside"].map(str::to_owned);
        let processes = processes("shared", &names);
        let tests: Vec<&[String]> = processes.iter().map(|(_, _, tests)| &tests[..]).collect();
        assert_eq!(
            tests,
            [
                &["halts::a", "idle::b", "halts::c::d"][..],
                &["outside"],
                &["newer::e"]
            ]
        );
        assert_eq!(processes[0].1, ["halts", "idle"]);
        assert!(processes[0].0 < PROCESSES.len() && processes[1].0 == PROCESSES.len());
    }

    #[test]
    fn names_are_short() {
        let program = |package: &str, name: &str| Program {
            name: name.to_owned(),
            package: package.to_owned(),
            path: "x".into(),
            folder: ".".into(),
            is_test: true,
        };
        assert_eq!(name(&program("walcast-kafka", "walcast_kafka")), "kafka");
        assert_eq!(name(&program("walcast-kafka", "servers")), "kafka/servers");
        assert_eq!(name(&program("xtask", "xtask")), "xtask");
    }
}
