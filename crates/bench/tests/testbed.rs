//! `cargo xtask testbed up` as people run it.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(300);

/// Starts the servers; returns when their addresses are printed.
fn up() -> (Child, Value) {
    let mut testbed = Command::new(env!("CARGO_BIN_EXE_walcast-bench"));
    testbed
        .args(["testbed", "up", "--json", "--tls"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = testbed.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    if line.is_empty() {
        child.stderr.take().unwrap().read_to_string(&mut line).unwrap();
        panic!("no servers: {line}");
    }
    (child, serde_json::from_str(&line).unwrap())
}

fn process_ids(servers: &Value) -> Vec<u64> {
    servers["process_ids"]
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_u64().unwrap())
        .collect()
}

fn runs(process_id: u64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process_id}/stat")).unwrap_or_default();
    stat.rsplit_once(')')
        .is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

fn wait_until_gone(process_ids: &[u64]) {
    let started = Instant::now();
    while process_ids.iter().any(|id| runs(*id)) {
        assert!(
            started.elapsed() < LIMIT,
            "servers outlived their testbed: {process_ids:?}"
        );
        std::thread::yield_now();
    }
}

#[test]
fn no_server_outlives_a_killed_testbed() {
    let (mut child, servers) = up();
    let process_ids = process_ids(&servers);
    assert!(
        process_ids.len() == 3 && process_ids.iter().all(|id| runs(*id)),
        "{servers}"
    );
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until_gone(&process_ids);
}

#[test]
fn an_interrupt_ends_all_in_order_and_leaves_no_files() {
    let (mut child, servers) = up();
    let folder = std::path::PathBuf::from(servers["postgres_socket_dir"].as_str().unwrap());
    assert!(folder.exists() && std::path::Path::new(servers["tls"]["ca"].as_str().unwrap()).exists());
    let interrupted = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(interrupted.success());
    assert!(child.wait().unwrap().success());
    wait_until_gone(&process_ids(&servers));
    assert!(!folder.parent().unwrap().exists());
}
