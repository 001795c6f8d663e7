//! Random histories of a server, a connector and its cleaner: no row is removed that is not in Kafka.

use std::time::Duration;

use proptest::prelude::*;

use super::{Model, config};

/// A step of the model.
#[derive(Clone, Copy, Debug)]
enum Step {
    Begin,
    /// The n-th running transaction commits.
    Commit(usize),
    Insert,
    Checkpoint,
    Inspect,
    Reconnect,
    Quarantine,
    /// All rows are read, as when a quarantine ends.
    Resume,
    Pass,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Begin),
        3 => (0..4_usize).prop_map(Step::Commit),
        3 => Just(Step::Insert),
        2 => Just(Step::Checkpoint),
        2 => Just(Step::Inspect),
        1 => Just(Step::Reconnect),
        1 => Just(Step::Quarantine),
        1 => Just(Step::Resume),
        6 => Just(Step::Pass),
    ]
}

async fn play(steps: &[Step], earlier_rows: usize) {
    let mut model = Model::new(config(Duration::ZERO));
    for _ in 0..earlier_rows {
        model.server.borrow_mut().insert();
    }
    for row in &mut model.server.borrow_mut().rows {
        row.is_lost = true;
    }
    for step in steps {
        match step {
            Step::Begin => {
                model.server.borrow_mut().begin();
            }
            Step::Commit(number) => {
                let mut server = model.server.borrow_mut();
                let running = server.running.iter().nth(*number).copied();
                if let Some(xid) = running {
                    server.commit(xid);
                }
            }
            Step::Insert => model.server.borrow_mut().insert(),
            Step::Checkpoint => model.checkpoint(),
            Step::Inspect => model.inspect(),
            Step::Reconnect => model.server.borrow_mut().session += 1,
            Step::Quarantine => model.quarantine(true),
            Step::Resume => {
                for row in &mut model.server.borrow_mut().rows {
                    row.is_lost &= row.committed.is_none();
                }
                model.quarantine(false);
            }
            Step::Pass => model.pass().await,
        }
    }
    // In the end everything that is in Kafka is removed, unless rows of before the capture are left.
    let is_complete = model.is_complete();
    let running: Vec<u64> = model.server.borrow().running.iter().copied().collect();
    for xid in running {
        model.server.borrow_mut().commit(xid);
    }
    model.checkpoint();
    for _ in 0..3 {
        model.inspect();
        model.pass().await;
    }
    let server = model.server.borrow();
    let can_remove = is_complete && !server.is_quarantined;
    assert!(!can_remove || server.rows.is_empty(), "{server:?}");
}

proptest! {
    /// `FakeTables::remove` checks each row.
    #[test]
    fn no_row_is_removed_that_is_not_in_kafka(
        steps in proptest::collection::vec(step(), 1..120),
        earlier_rows in 0..2_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(play(&steps, earlier_rows));
    }
}
