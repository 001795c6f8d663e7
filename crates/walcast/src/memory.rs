//! Protection of the memory of the process, which contains passwords, tokens and rows.

/// Disables core dumps of this process, and prevents other processes of its user from attaching to it or reading its memory
/// through `/proc`. Linux only.
///
/// # Errors
/// The system call fails.
#[cfg(target_os = "linux")]
pub(crate) fn keep_private() -> std::io::Result<()> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};

    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// Other systems have no such setting.
#[cfg(not(target_os = "linux"))]
pub(crate) fn keep_private() -> std::io::Result<()> {
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::{DumpableBehavior, dumpable_behavior};

    #[test]
    fn the_process_is_not_dumpable() {
        super::keep_private().unwrap();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }
}
