//! Other commands than `walcast run`.

use std::fs::File;
use std::process::{Output, Stdio};

use tokio::process::Command;
use walcast_testbed::{ConnectorConfig, Walcast};

use crate::LIMIT;

/// A command that has ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it printed as its result.
    pub stdout: String,
    /// What it printed beside that.
    pub stderr: String,
}

impl From<Output> for Finished {
    fn from(output: Output) -> Finished {
        Finished {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// `walcast` with these arguments: nothing to read, both outputs piped, killed when dropped. Settings of the user who runs the
/// tests do not reach it.
pub fn command(arguments: &[&str]) -> Command {
    let binary = Walcast::binary().unwrap_or_else(|error| panic!("{error}"));
    let mut command = Command::new(binary);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    for variable in [
        "RUST_LOG",
        "WALCAST_CONFIG",
        "PGPASSWORD",
        "PGHOST",
        "PGPORT",
        "PGUSER",
        "PGDATABASE",
        "RUNTIME_DIRECTORY",
        "STATE_DIRECTORY",
        "XDG_RUNTIME_DIR",
        "XDG_STATE_HOME",
    ] {
        command.env_remove(variable);
    }
    command
}

/// Runs `walcast` with these arguments and configuration to its end; panics with what it printed when that does not come.
pub async fn run(config: &ConnectorConfig, arguments: &[&str]) -> Finished {
    let folder = tempfile::tempdir().unwrap();
    let path = config.write_to(folder.path()).unwrap();
    let [stdout, stderr] = ["stdout", "stderr"].map(|name| folder.path().join(name));
    let mut process = command(arguments)
        .env("WALCAST_CONFIG", path)
        .env("XDG_RUNTIME_DIR", config.runtime_directory())
        .stdout(File::create(&stdout).unwrap())
        .stderr(File::create(&stderr).unwrap())
        .spawn()
        .unwrap();
    let ended = tokio::time::timeout(LIMIT, process.wait()).await;
    let [stdout, stderr] =
        [stdout, stderr].map(|path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned());
    let status = ended.unwrap_or_else(|_| panic!("walcast {arguments:?} did not end:\n{stdout}\n{stderr}"));
    Finished {
        code: status.unwrap().code(),
        stdout,
        stderr,
    }
}
