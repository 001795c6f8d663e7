//! Starts processes that die with this one, also when this one is killed.
//!
//! Each child asks the kernel (through `setpriv --pdeathsig`) for SIGKILL when its parent dies. To the kernel the parent is the
//! *thread* that forked, so all children are forked by one thread that lives as long as the process.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::account::Account;

/// A command wrapped in `setpriv`: SIGKILL on the parent's death, own process group, and the account if one is given.
pub(crate) fn bound_to_us(program: impl AsRef<std::ffi::OsStr>, account: Option<Account>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if let Some(Account { uid, gid }) = account {
        command.args([
            format!("--reuid={uid}"),
            format!("--regid={gid}"),
            "--clear-groups".to_owned(),
        ]);
    }
    command.arg("--").arg(program).process_group(0);
    command
}

/// Starts the command from the thread that outlives every testbed.
pub(crate) fn spawn(command: Command) -> io::Result<Child> {
    let (answer_to, answer) = sync_channel(1);
    let gone = || io::Error::other("the spawning thread has ended");
    spawner().send(Job { command, answer_to }).map_err(|_| gone())?;
    answer.recv().map_err(|_| gone())?
}

struct Job {
    command: Command,
    answer_to: SyncSender<io::Result<Child>>,
}

fn spawner() -> &'static SyncSender<Job> {
    static SPAWNER: OnceLock<SyncSender<Job>> = OnceLock::new();
    SPAWNER.get_or_init(|| {
        let (jobs, queue) = sync_channel(1);
        std::thread::spawn(move || serve(&queue));
        jobs
    })
}

fn serve(queue: &Receiver<Job>) {
    while let Ok(Job {
        mut command,
        answer_to,
    }) = queue.recv()
    {
        // No thread waits for the answer only if the asking thread panicked; the child is then killed here.
        if let Err(unsent) = answer_to.send(command.spawn())
            && let Ok(mut child) = unsent.0
            && let Err(error) = child.kill()
        {
            tracing::debug!(%error, "a child that no thread waits for could not be killed");
        }
    }
}
