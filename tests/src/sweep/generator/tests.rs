use std::collections::BTreeSet;

use super::*;

#[test]
fn a_seed_gives_the_same_sequence() {
    for seed in 0..50 {
        assert_eq!(Sequence::of(seed), Sequence::of(seed));
        assert_ne!(Sequence::of(seed), Sequence::of(seed + 1));
    }
}

#[test]
fn a_connector_that_runs_is_not_started_and_one_that_does_not_is_not_stopped() {
    for seed in 0..500 {
        let mut connector = Connector::Stopped;
        for step in Sequence::of(seed).steps {
            let Step::Connector(action) = step else { continue };
            let (before, after) = match action {
                Action::Start | Action::Launch => (Connector::Stopped, Connector::Running),
                Action::Stop | Action::Kill => (Connector::Running, Connector::Stopped),
                Action::Freeze => (Connector::Running, Connector::Frozen),
                Action::Thaw => (Connector::Frozen, Connector::Running),
                Action::Reconnect | Action::Read(_) | Action::CatchUp => {
                    (Connector::Running, Connector::Running)
                }
            };
            assert_eq!(connector, before, "seed {seed}, {action:?}");
            connector = after;
        }
    }
}

#[test]
fn every_kind_of_statement_comes() {
    let mut words = BTreeSet::new();
    for seed in 0..2000 {
        for step in Sequence::of(seed).steps {
            words.extend(step.to_string().split([' ', ';', '\n', '(']).map(str::to_owned));
        }
    }
    for word in [
        "ATTACH",
        "DETACH",
        "RENAME",
        "TRUNCATE",
        "UNLOGGED",
        "LOGGED",
        "IDENTITY",
        "NOTHING",
        "FULL",
        "SCHEMA",
        "OWNER",
        "ENUM",
        "DOMAIN",
        "TYPE",
        "DEFAULT",
        "ROLLBACK",
        "PUBLICATION",
        "DELETE",
        "UPDATE",
        "INSERT",
        "PRIMARY",
        "PARTITION",
        "Freeze",
        "Thaw",
        "Kill",
        "Reconnect",
        "Read",
    ] {
        assert!(words.contains(word), "{word} never comes");
    }
}
