//! Every fault there is, on real servers: nothing is lost, doubled or reordered.

use walcast_tests::chaos::{Length, Ordeal, play};
use walcast_tests::seed;

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_once_among_others_neither_loses_nor_doubles_nor_reorders() {
    let seed = seed();
    let ordeal = Ordeal {
        seed,
        length: Length::EachOnce,
        writes_per_second: 400,
    };
    let report = Box::pin(play(&ordeal, |at, what| {
        eprintln!("{:7.1} s  {what}", at.as_secs_f64());
    }))
    .await;
    eprintln!("{report}");
    assert!(report.is_clean(), "{report}\n{}", report.log);
}
