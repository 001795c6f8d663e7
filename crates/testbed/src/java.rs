//! Java programs among the servers.

use std::path::Path;
use std::process::Command;

/// A Java program bound to this process, with a heap limit (in MB) and system properties.
pub(crate) fn java(command: Command, heap_mb: u32, folder: &Path) -> Command {
    let mut command = command;
    command
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
