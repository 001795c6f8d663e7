//! An old primary after a promotion: rewound and promoted again, or still running as if nothing had happened.

use walcast_testbed::{ConnectorConfig, Postgres, StopMode};
use walcast_tests::{
    Case, Instance, assert_reports, await_copy, await_replay, either, make_physical_slot, shared,
    synchronised,
};

use super::{delivered_until, ids_in_table, switched_at};

/// Exit code of a connector that halted.
const HALTED: i32 = 3;

/// A primary, a standby that copies its slots, and a database with a connector that knows both servers.
struct Pair {
    name: String,
    config: ConnectorConfig,
    primary: Postgres,
    standby: Postgres,
}

impl Pair {
    /// Row 1 is delivered and on both servers; the connector runs.
    async fn start(name: &str) -> (Pair, Instance) {
        // The longer a standby finds no slot to copy, the longer it pauses.
        shared().await;
        let mut primary = Postgres::start(synchronised(17)).await.unwrap();
        make_physical_slot(&primary).await;
        let standby = primary.standby().await.unwrap();
        let url = either([primary.port(), standby.port()], name);
        let config = Case::on(&primary, name).await.config.set("postgres.url", url);
        let pair = Pair {
            name: name.to_owned(),
            config,
            primary,
            standby,
        };
        let instance = Instance::start(&pair.case().config).await;
        pair.case().insert([1]).await;
        pair.case().await_ids([1]).await;
        pair.await_standby().await;
        (pair, instance)
    }

    /// The database on the primary.
    fn case(&self) -> Case<'_> {
        Case::existing(&self.primary, &self.name, &self.config)
    }

    /// The database on the server that is not the primary (or should not be).
    fn other_case(&self) -> Case<'_> {
        Case::existing(&self.standby, &self.name, &self.config)
    }

    /// Waits until the standby could take over without loss.
    async fn await_standby(&self) {
        await_copy(&self.standby, &self.case().slot()).await;
        await_replay(&self.primary, &self.standby).await;
    }

    /// Changes reach Kafka whether or not a standby has them.
    async fn deliver_ahead_of_the_standby(&self) {
        let setting = "synchronized_standby_slots";
        self.primary.set_setting(setting, "").await.unwrap();
    }

    /// The standby takes the primary's place, who keeps what only it has.
    async fn promote(&mut self) {
        self.standby.promote().await.unwrap();
        std::mem::swap(&mut self.primary, &mut self.standby);
    }

    /// The old primary follows the new one.
    async fn rewind(&mut self) {
        make_physical_slot(&self.primary).await;
        self.standby.rewind(&self.primary).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rewound_primary_that_is_promoted_again_is_followed_unless_it_lacks_what_was_delivered() {
    let (mut pair, mut instance) = Pair::start("there_and_back").await;
    // The primary dies with a change that no other server has; so it was not delivered either.
    pair.standby.stop(StopMode::Fast).await.unwrap();
    pair.case().insert([2]).await;
    pair.primary.kill().unwrap();
    pair.standby.start_again().await.unwrap();
    pair.promote().await;
    pair.rewind().await;
    pair.case().insert([3]).await;
    pair.case().await_ids([3]).await;
    pair.await_standby().await;
    assert_eq!(ids_in_table(&pair.other_case()).await, "1,3", "2 was rewound");

    // And back.
    pair.case().insert([4]).await;
    pair.case().await_ids([4]).await;
    pair.await_standby().await;
    pair.primary.kill().unwrap();
    pair.promote().await;
    pair.rewind().await;
    pair.case().insert([5]).await;
    pair.case().await_ids([5]).await;
    assert_eq!(pair.case().ids().await, [1, 3, 4, 5]);
    assert_eq!(pair.case().checkpoint().await["timeline"], 3);

    // And there again, to a server that was away when the last change was delivered.
    pair.await_standby().await;
    pair.deliver_ahead_of_the_standby().await;
    pair.standby.stop(StopMode::Fast).await.unwrap();
    pair.case().insert([6]).await;
    pair.case().await_ids([6]).await;
    pair.primary.kill().unwrap();
    pair.standby.start_again().await.unwrap();
    pair.promote().await;
    let code = instance.exit_code().await;
    assert_eq!(code, HALTED, "{}", instance.log_end());
    let switched = switched_at(&pair.case()).await;
    let why = pair.case().halts().await;
    let wanted = [
        format!("the server was promoted to timeline 4 at {switched}, but changes up to "),
        format!("the records in ({switched}, "),
        format!("walcast checkpoint set {switched} --accept-gap"),
    ];
    assert_reports(&why, &wanted.each_ref().map(String::as_str));
    pair.case().follow(&why).await;
    pair.deliver_ahead_of_the_standby().await;
    pair.case().deliver([7]).await;
    assert_eq!(pair.case().ids().await, [1, 3, 4, 5, 6, 7]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_primary_that_still_runs_is_read_until_the_new_one_is_known_and_never_after() {
    let (mut pair, mut instance) = Pair::start("split").await;
    pair.deliver_ahead_of_the_standby().await;
    // The connector was not notified, and the application writes to both.
    pair.promote().await;
    pair.deliver_ahead_of_the_standby().await;
    pair.other_case().insert([2]).await;
    pair.case().await_ids([2]).await;
    pair.case().insert([3]).await;
    pair.standby.stop(StopMode::Fast).await.unwrap();
    let code = instance.exit_code().await;
    assert_eq!(code, HALTED, "{}", instance.log_end());
    let switched = switched_at(&pair.case()).await;
    let stored = delivered_until(&pair.case()).await;
    let why = pair.case().halts().await;
    let wanted = [
        format!("the server was promoted to timeline 2 at {switched}, but changes up to "),
        format!("the records in ({switched}, {stored}] describe changes that the database no longer has"),
    ];
    assert_reports(&why, &wanted.each_ref().map(String::as_str));
    pair.case().follow(&why).await;
    let mut instance = Instance::start(&pair.config).await;
    pair.case().await_ids([3]).await;

    // It comes back as it was, and the connector comes to it first.
    pair.standby.start_again().await.unwrap();
    pair.other_case().insert([4]).await;
    pair.primary.restart(StopMode::Fast).await.unwrap();
    let code = instance.exit_code().await;
    assert_eq!(code, HALTED, "{}", instance.log_end());
    let why = pair.case().halts().await;
    let wanted = [
        "the server is on timeline 1, which does not descend from timeline 2 of the checkpoint",
        "point [postgres] url at the current primary",
    ];
    assert_reports(&why, &wanted);
    pair.standby.stop(StopMode::Fast).await.unwrap();
    pair.case().deliver([5]).await;
    assert_eq!(
        pair.case().ids().await,
        [1, 2, 3, 5],
        "2 has to be put right, 4 never came"
    );
    assert_eq!(ids_in_table(&pair.case()).await, "1,3,5");
}
