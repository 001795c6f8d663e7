//! The machine and the versions.

use anyhow::{Context, Result};
use walcast_testbed::{Postgres, package_versions};

/// Description of the machine and of the programs.
pub(super) struct Machine {
    pub(super) processor: String,
    pub(super) cores: usize,
    pub(super) memory_mib: u64,
    pub(super) kernel: String,
    pub(super) postgres: String,
    /// Name and version of the others.
    pub(super) packages: Vec<(&'static str, &'static str)>,
}

impl Machine {
    pub(super) async fn describe(postgres: &Postgres) -> Result<Machine> {
        let client = postgres.client().await?;
        let version = client.query_one("SHOW server_version", &[]).await?;
        Ok(Machine {
            processor: field("/proc/cpuinfo", "model name")?,
            cores: std::thread::available_parallelism()?.get(),
            memory_mib: memory()?,
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            postgres: version.get(0),
            packages: package_versions(),
        })
    }
}

fn memory() -> Result<u64> {
    let text = field("/proc/meminfo", "MemTotal")?;
    let kib: u64 = text.trim_end_matches("kB").trim().parse()?;
    Ok(kib / 1024)
}

fn field(path: &str, name: &str) -> Result<String> {
    let text = read(path)?;
    let value = text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    });
    value.with_context(|| format!("{path} has no {name}"))
}

fn read(path: &str) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))
}
