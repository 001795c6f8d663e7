//! Settings of a replay from WAL.

use super::*;

#[test]
fn no_table_is_set_aside_by_a_replay() {
    let mut config = DeadLetterConfig::none("shop", "shop.walcast-dead-letters");
    assert_eq!(without_quarantine(&config), config);
    config.on_error = OnError::Quarantine;
    assert_eq!(without_quarantine(&config).on_error, OnError::DeadLetter);
}
