//! The primary is lost and a standby promoted: with a failover slot the stream continues without loss and without repeat; where
//! it cannot, the connector stops and names the range, and the command that it names does what it says.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use walcast_testbed::{ConnectorConfig, Load, LoadOptions, Postgres, PostgresOptions, Shop, StopMode};
use walcast_tests::{
    Case, Instance, PHYSICAL_SLOT, World, assert_reports, await_copy, await_replay, await_that, await_writes,
    either, make_physical_slot, run,
};

/// Exit code of a connector that halted.
const HALTED: i32 = 3;

/// Exit code of a check that found a fault.
const REFUSED: i32 = 1;

/// Exit code of a connector that a server rejects.
const DENIED: i32 = 7;

/// What a standby needs to have copies of failover slots.
const COPYING: [(&str, &str); 2] = [
    ("primary_slot_name", PHYSICAL_SLOT),
    ("sync_replication_slots", "on"),
];

/// A connection string with both servers; which one is the primary is found out.
fn either_of(first: &Postgres, second: &Postgres, database: &str) -> String {
    either([first.port(), second.port()], database)
}

fn load_of(shop: Shop, postgres: &Postgres) -> Load {
    let options = LoadOptions {
        writes_per_second: Some(300),
        ..LoadOptions::default()
    };
    shop.run(postgres, &options)
}

async fn with_a_synchronised_slot(major: u16) {
    let name = format!("failover_{major}");
    let mut world = World::sharing(&name, PostgresOptions::major(major)).await;
    let shop = Shop::create(&world.postgres).await.unwrap();
    let config = world.config().set("postgres.failover", true);
    // Missing preconditions are reported before anything is created.
    let checked = run(&config, &["check"]).await;
    checked.error(REFUSED);
    let missing = [
        "FAIL  postgres failover: primary_slot_name",
        "FAIL  postgres failover: synchronized_standby_slots",
        "FAIL  postgres failover: hot_standby_feedback",
        "FAIL  postgres failover: sync_replication_slots",
    ];
    assert_reports(&checked.stdout, &missing);

    make_physical_slot(&world.postgres).await;
    let mut standby = world.postgres.standby_with(&COPYING).await.unwrap();
    let setting = "synchronized_standby_slots";
    world.postgres.set_setting(setting, PHYSICAL_SLOT).await.unwrap();
    let config = config.set("postgres.url", either_of(&world.postgres, &standby, "shop"));
    let mut instance = Instance::start(&config).await;
    let load = load_of(shop, &world.postgres);
    await_writes(&load, 300).await;
    await_copy(&standby, &format!("walcast_{name}")).await;
    let checked = run(&config, &["check"]).await;
    assert_eq!(checked.code, Some(0), "{}", checked.stdout);

    world.postgres.kill().unwrap();
    let began = std::time::Instant::now();
    standby.promote().await.unwrap();
    std::mem::swap(&mut world.postgres, &mut standby);
    let again = load_of(Shop::existing(), &world.postgres);
    await_writes(&again, 300).await;
    await_that("the stream from the promoted server", async || {
        let status = instance.status().await;
        status["state"] == "streaming" && status["reconnects"].as_u64() > Some(0)
    })
    .await;
    eprintln!(
        "{name}: streams {:.1} s after the primary was killed",
        began.elapsed().as_secs_f64()
    );
    again.stop().await.unwrap();
    let mut audit = world.audit(&Shop::TABLES);
    world.assert_delivered(&mut audit, &mut instance).await;
    instance.stop().await;
    world.assert_still_clean(&mut audit, &instance).await;
    drop(load);

    // The old primary comes back as it was: nothing may be read from it.
    standby.start_again().await.unwrap();
    let old = config.set("postgres.url", standby.url());
    let halted = run(&old, &["run", "--log-format", "json"]).await;
    let wanted = [
        "the server is on timeline 1",
        "does not descend from timeline 2",
        "point [postgres] url at the current primary",
    ];
    assert_reports(halted.error(HALTED), &wanted);
    world.assert_still_clean(&mut audit, &instance).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_synchronised_slot_nothing_is_lost_or_doubled_on_17() {
    with_a_synchronised_slot(17).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_synchronised_slot_nothing_is_lost_or_doubled_on_18() {
    with_a_synchronised_slot(18).await;
}

/// A primary with a standby, and a connector that has delivered rows 1 and 2, which both have. Where the standby is to be
/// behind, rows 3 and 4 are delivered while it is down; it is not promoted yet, and the primary is gone.
struct Lost {
    standby: Postgres,
    name: String,
    config: ConnectorConfig,
    /// The connector, which runs unless the standby is behind.
    instance: Instance,
}

impl Lost {
    async fn primary(major: u16, name: &str, settings: &[(&str, &str)], is_behind: bool) -> Lost {
        let mut primary = Postgres::start(PostgresOptions::major(major)).await.unwrap();
        make_physical_slot(&primary).await;
        let mut standby = primary.standby_with(settings).await.unwrap();
        let mut case = Case::on(&primary, name).await;
        let failover = if settings == COPYING.as_slice() {
            "auto".into()
        } else {
            toml::Value::Boolean(false)
        };
        case.config = case
            .config
            .set("postgres.url", either_of(&primary, &standby, name))
            .set("postgres.failover", failover);
        let mut instance = Instance::start(&case.config).await;
        if settings == COPYING.as_slice() {
            await_copy(&standby, &case.slot()).await;
        }
        case.insert([1, 2]).await;
        case.await_ids([1, 2]).await;
        await_replay(&primary, &standby).await;
        if is_behind {
            standby.stop(StopMode::Fast).await.unwrap();
            case.insert([3, 4]).await;
            case.await_ids([3, 4]).await;
            instance.stop().await;
        }
        let config = case.config.clone();
        primary.kill().unwrap();
        if is_behind {
            standby.start_again().await.unwrap();
        }
        standby.promote().await.unwrap();
        Lost {
            standby,
            name: name.to_owned(),
            config,
            instance,
        }
    }

    /// The case on the promoted server.
    fn case(&self) -> Case<'_> {
        Case::existing(&self.standby, &self.name, &self.config)
    }

    /// Where the promoted server left the first timeline.
    async fn switched_at(&self) -> String {
        let history = "SELECT split_part(convert_from(pg_read_binary_file('pg_wal/00000002.history'), 'UTF8'), E'\\t', 2)";
        self.case().text(history).await
    }
}

/// What is delivered while a standby is down is not on it when it is promoted, unless the primary waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_standby_that_was_behind_halts_and_the_range_is_named() {
    let lost = Lost::primary(17, "behind_17", &COPYING, true).await;
    let (case, switched_at) = (lost.case(), lost.switched_at().await);
    let why = case.halts().await;
    let promoted = format!("the server was promoted to timeline 2 at {switched_at}, but changes up to ");
    let range = format!("the records in ({switched_at}, ");
    let remedy = format!("then resume with: walcast checkpoint set {switched_at} --accept-gap");
    assert_reports(&why, &[&promoted, &range, "the database no longer has", &remedy]);

    case.follow(&why).await;
    case.deliver([3, 5]).await;
    assert_eq!(
        case.ids().await,
        [1, 2, 3, 4, 3, 5],
        "3 and 4 of the lost primary stay in the topic; the other 3 is another row"
    );
}

async fn without_a_slot_on_the_standby(major: u16, name: &str) {
    let mut lost = Lost::primary(major, name, &[], false).await;
    let code = lost.instance.exit_code().await;
    assert_eq!(code, HALTED, "{}", lost.instance.log_end());
    let case = lost.case();
    let why = case.halts().await;
    let gone = format!("slot walcast_{name} does not exist, but a checkpoint at ");
    assert_reports(
        &why,
        &[&gone, "are gone with the slot", "walcast checkpoint reset"],
    );
    case.follow(&why).await;
    case.deliver([3]).await;
    assert_eq!(case.ids().await, [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_standby_without_the_slot_halts_on_16() {
    without_a_slot_on_the_standby(16, "slotless_16").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_standby_without_the_slot_halts_on_17() {
    without_a_slot_on_the_standby(17, "slotless_17").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_standby_that_was_behind_and_has_no_slot_halts_on_16() {
    let lost = Lost::primary(16, "behind_16", &[], true).await;
    let (case, switched_at) = (lost.case(), lost.switched_at().await);
    let why = case.halts().await;
    let range = format!("the records in ({switched_at}, ");
    let gone = format!("what was changed here after {switched_at} cannot be streamed");
    assert_reports(&why, &[&range, &gone, "walcast checkpoint reset"]);
    case.follow(&why).await;
    case.deliver([3, 5]).await;
    assert_eq!(case.ids().await, [1, 2, 3, 4, 3, 5]);
}

/// The same server is promoted twice, with rows in between, while the connector is down.
#[tokio::test(flavor = "multi_thread")]
async fn two_promotions_in_a_row_are_followed_through_the_history() {
    let mut postgres = Postgres::start(PostgresOptions::major(17)).await.unwrap();
    let case = Case::on(&postgres, "cascade").await;
    case.deliver([1]).await;
    let config = case.config.clone();
    for id in [2, 3] {
        postgres.promote_in_place().await.unwrap();
        Case::existing(&postgres, "cascade", &config).insert([id]).await;
    }
    let case = Case::existing(&postgres, "cascade", &config);
    let timeline = "SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8) = '00000003'";
    assert!(case.holds(timeline).await);
    case.deliver([4]).await;
    assert_eq!(case.ids().await, [1, 2, 3, 4]);
    assert_eq!(case.checkpoint().await["timeline"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_copy_of_the_server_halts() {
    // What VACUUM writes to the copy could reach the position of the checkpoint.
    let options = PostgresOptions::major(17).with_setting("autovacuum", "off");
    let mut postgres = Postgres::start(options).await.unwrap();
    Case::on(&postgres, "restored").await.deliver([1]).await;
    let mut copy = postgres.copy(postgres.options().clone()).await.unwrap();
    let case = Case::existing(
        &postgres,
        "restored",
        &Case::config_of(&postgres, "restored").await,
    );
    case.deliver(2..40).await;
    postgres.kill().unwrap();
    copy.start_again().await.unwrap();
    let case = Case::existing(&copy, "restored", &Case::config_of(&copy, "restored").await);
    let why = case.halts().await;
    let wanted = [
        "the server's WAL ends at ",
        "it was restored from a backup",
        "walcast checkpoint reset",
    ];
    assert_reports(&why, &wanted);
    case.follow(&why).await;
    case.deliver([40]).await;
    assert_eq!(case.ids().await, (1..=40).collect::<Vec<u32>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_exists_is_made_a_failover_slot_where_that_is_demanded() {
    let mut case = Case::new("altered").await;
    let flag = "SELECT failover FROM pg_replication_slots WHERE slot_name = 'walcast_altered'";
    let home = case.config.clone();
    case.config = home.clone().set("postgres.failover", false);
    case.deliver([1]).await;
    assert_eq!(case.text(flag).await, "f");
    case.config = home.clone();
    case.deliver([2]).await;
    assert_eq!(case.text(flag).await, "f", "what exists is left as it is");
    case.config = home.set("postgres.failover", true);
    case.deliver([3]).await;
    assert_eq!(case.text(flag).await, "t");
    assert_eq!(case.ids().await, [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn failover_slots_are_refused_of_a_server_that_knows_none() {
    let postgres = Postgres::start(PostgresOptions::major(16)).await.unwrap();
    let mut case = Case::on(&postgres, "too_old").await;
    let home = case.config.clone();
    case.config = home.clone().set("postgres.failover", true);
    let checked = case.command(&["check"]).await;
    checked.error(REFUSED);
    assert_reports(
        &checked.stdout,
        &["FAIL  postgres failover", "upgrade the server to 17 or later"],
    );
    let refused = case.run_to_end().await;
    let wanted = [
        "failover slots need PostgreSQL 17 or later",
        "failover = \"auto\"",
    ];
    assert_reports(refused.error(DENIED), &wanted);
    assert!(!case.is_set_up().await);

    case.config = home;
    case.deliver([1]).await;
    let checked = case.command(&["check"]).await;
    assert_eq!(checked.code, Some(0), "{}", checked.stdout);
    assert_reports(
        &checked.stdout,
        &["has no failover slots: after a failover the slot is missing"],
    );
}
