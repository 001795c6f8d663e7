//! What a server sends on a replication connection, before the stream and in it.

/// Reads `data` in pieces of as many bytes as its first byte says (0: all at once).
///
/// # Panics
/// See [`walcast_postgres::fuzzing::check_server_bytes`].
pub fn check(data: &[u8]) {
    walcast_postgres::fuzzing::check_server_bytes(data);
}
