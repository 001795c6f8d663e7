//! The text of a configuration file.

/// Reads `data` as a configuration file.
///
/// # Panics
/// See [`walcast::fuzzing::check_configuration`].
pub fn check(data: &[u8]) {
    walcast::fuzzing::check_configuration(data);
}
