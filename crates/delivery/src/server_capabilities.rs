//! Behavior of the server by version.

/// First version that sends logical decoding messages.
pub(crate) const MESSAGES_SINCE: u32 = 140_000;

/// Whether the server omits changes of a table that was published while a transaction ran and that it decodes later.
/// Fixed in 13.21, 14.18, 15.13, 16.9 and 17.5 (<https://www.postgresql.org/docs/release/17.5/>).
pub(crate) fn misses_new_tables(server_version: u32) -> bool {
    let fixed_in = match server_version / 10_000 {
        ..13 => return true,
        13 => 130_021,
        14 => 140_018,
        15 => 150_013,
        16 => 160_009,
        17 => 170_005,
        18.. => return false,
    };
    server_version < fixed_in
}

#[cfg(test)]
mod tests {
    use super::misses_new_tables;

    #[test]
    fn fixed_versions_send_tables_published_during_a_transaction() {
        for version in [120_022, 130_020, 160_008, 170_004] {
            assert!(misses_new_tables(version), "{version}");
        }
        for version in [130_021, 140_019, 160_010, 170_006, 180_000] {
            assert!(!misses_new_tables(version), "{version}");
        }
    }
}
