//! Java programs among the servers.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cache::Cache;
use crate::command;
use crate::error::Result;
use crate::progress::Step;

/// Name of the class archive within its package.
const ARCHIVE: &str = "classes.jsa";

/// Start of a Java program: for measurements, or for tests, most of whose time is the start of servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Startup {
    /// Java's own choice of compiler and garbage collector.
    Optimising,
    /// Quick compiler and serial garbage collector: a third of the processor time of a start.
    Quick,
    /// As [`Quick`](Startup::Quick), with the classes mapped from a class archive. An archive that does not fit is ignored by Java.
    QuickFrom(PathBuf),
    /// As [`Quick`](Startup::Quick); an orderly end writes the class archive.
    Archiving(PathBuf),
}

impl Startup {
    /// Options of the virtual machine.
    fn options(&self) -> Vec<String> {
        let archive = match self {
            Startup::Optimising => return Vec::new(),
            Startup::Quick => None,
            Startup::QuickFrom(archive) => Some(format!("-XX:SharedArchiveFile={}", archive.display())),
            Startup::Archiving(archive) => Some(format!("-XX:ArchiveClassesAtExit={}", archive.display())),
        };
        let quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"].map(ToOwned::to_owned);
        quick.into_iter().chain(archive).collect()
    }
}

/// A Java program bound to this process, with a heap limit (in MB) and system properties.
pub(crate) fn java(command: Command, startup: &Startup, heap_mb: u32, folder: &Path) -> Command {
    let mut command = command;
    command
        .args(startup.options())
        .arg(format!("-Xmx{heap_mb}m"))
        // Temporary files go where they are removed with the rest.
        .arg(format!("-Djava.io.tmpdir={}", folder.display()))
        .arg("-XX:+ExitOnOutOfMemoryError")
        .current_dir(folder)
        // Settings of the calling environment must not reach the server.
        .env_remove("JAVA_TOOL_OPTIONS")
        .env_remove("CLASSPATH");
    command
}

/// Start from the class archive of a package (`kafka-4.1.0`). The archive is kept beside the package for this version of Java; if it is
/// missing, `run` writes it by a start with the given [`Startup`] and an orderly end. Blocks.
pub(crate) fn from_archive(package: &str, run: impl FnOnce(Startup) -> Result<()>) -> Result<Startup> {
    let version = java_version()?;
    let folder = Cache::open()?.package(&format!("{package}-classes-{version}"), |folder| {
        let step = Step::start(format!("archiving the classes of {package}"));
        run(Startup::Archiving(folder.join(ARCHIVE)))?;
        step.done();
        Ok(())
    })?;
    Ok(Startup::QuickFrom(folder.join(ARCHIVE)))
}

/// Full version of Java (`17.0.15+6-Debian-1deb12u1`), in characters that a file name can have.
fn java_version() -> Result<String> {
    let mut java = Command::new("java");
    java.arg("-fullversion").env_remove("JAVA_TOOL_OPTIONS");
    let output = java
        .output()
        .map_err(|source| command::missing_or_failed("java", source))?;
    Ok(version_in(&String::from_utf8_lossy(&output.stderr)))
}

fn version_in(text: &str) -> String {
    let quoted = text.split('"').nth(1).unwrap_or(text.trim());
    let of_file_names = |letter: char| letter.is_ascii_alphanumeric() || ".+-_".contains(letter);
    quoted
        .chars()
        .map(|letter| if of_file_names(letter) { letter } else { '_' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_java_names_a_folder() {
        let text = "openjdk full version \"17.0.15+6-Debian-1deb12u1\"\n";
        assert_eq!(version_in(text), "17.0.15+6-Debian-1deb12u1");
        assert_eq!(version_in("java full version \"a/b c\""), "a_b_c");
        assert_eq!(version_in("unknown\n"), "unknown");
    }
}
