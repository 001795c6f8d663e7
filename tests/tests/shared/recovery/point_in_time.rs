//! A base backup and an archive, recovered to a target that lies before or behind what was delivered.

use std::sync::Mutex;

use tokio::sync::OnceCell;
use walcast_testbed::{ConnectorConfig, Postgres, PostgresOptions, RecoveryTarget};
use walcast_tests::{Case, Instance, assert_reports, await_that, lsn};

use super::{delivered_until, ids_in_table, switched_at};

/// Databases of the server, each with a connector of its own. Those named `past` were delivered from beyond the target.
const NAMES: [&str; 5] = ["past_slotless", "level_slotless", "past", "level", "idle"];

/// A server and what it was at an earlier time. In each database row 1 was delivered before the copies were made, and row 2
/// (of all but `idle`) after that; then came the target, and row 4.
///
/// | | row 3, before the target | row 4, behind it |
/// |---|---|---|
/// | `past` | delivered | delivered |
/// | `level` | written | written |
/// | `idle` | | written elsewhere, and passed by |
struct Past {
    primary: Postgres,
    /// As `pg_basebackup` makes it.
    backup: Mutex<Option<Postgres>>,
    /// With the slots, as a snapshot of a disk has them.
    snapshots: Mutex<Vec<Postgres>>,
    lsn: String,
    xid: String,
    time: String,
}

impl Past {
    async fn get() -> &'static Past {
        static PAST: OnceCell<Past> = OnceCell::const_new();
        PAST.get_or_init(|| Box::pin(Past::live())).await
    }

    async fn live() -> Past {
        // What VACUUM takes away while it is recovered can cost a slot, which is another halt.
        let options = PostgresOptions::major(17)
            .archiving()
            .with_setting("autovacuum", "off");
        let mut primary = Postgres::start(options.clone()).await.unwrap();
        for name in NAMES {
            Case::on(&primary, name).await;
        }
        deliver(&primary, &NAMES, &[1]).await;
        let backup = primary.base_backup(options.clone()).await.unwrap();
        let mut snapshots = Vec::new();
        for _ in 0..2 {
            snapshots.push(primary.copy_whole(options.clone()).await.unwrap());
        }
        let (past, level) = (["past_slotless", "past"], ["level_slotless", "level"]);
        deliver(&primary, &[past, level].concat(), &[2]).await;
        deliver(&primary, &past, &[3]).await;
        for name in level {
            case_on(&primary, name).await.insert([3]).await;
        }
        let case = case_on(&primary, "idle").await;
        let xid = case.text("SELECT pg_current_xact_id()").await;
        let time = case.text("SELECT clock_timestamp()").await;
        let lsn = case.text("SELECT pg_current_wal_insert_lsn()").await;
        deliver(&primary, &past, &[4]).await;
        for name in level {
            case_on(&primary, name).await.insert([4]).await;
        }
        pass_by(&case).await;
        primary.archive_log().await.unwrap();
        Past {
            primary,
            backup: Mutex::new(Some(backup)),
            snapshots: Mutex::new(snapshots),
            lsn,
            xid,
            time,
        }
    }

    async fn recover(&self, mut copy: Postgres, target: RecoveryTarget) -> Postgres {
        copy.recover(&self.primary, &target).await.unwrap();
        copy
    }

    async fn recover_snapshot(&self, target: RecoveryTarget) -> Postgres {
        let snapshot = self.snapshots.lock().unwrap().pop().unwrap();
        self.recover(snapshot, target).await
    }
}

/// Runs the connectors of these databases side by side until rows are in Kafka.
async fn deliver(postgres: &Postgres, names: &[&str], ids: &[u32]) {
    let mut running = Vec::new();
    for name in names {
        let case = case_on(postgres, name).await;
        let instance = Instance::spawn(&case.config);
        running.push((case, instance));
    }
    for (case, instance) in &mut running {
        instance.ready().await;
        case.insert(ids.iter().copied()).await;
    }
    for (case, instance) in &mut running {
        case.await_ids(ids.iter().copied()).await;
        instance.stop().await;
    }
}

/// A database where it is now, with a connector that is configured to find it there.
async fn case_on<'a>(postgres: &'a Postgres, name: &str) -> Case<'a> {
    let config: ConnectorConfig = Case::config_of(postgres, name)
        .await
        .set("postgres.idle_interval", "100ms");
    Case::existing(postgres, name, &config)
}

/// Lets the connector pass by what others write, until its position lies behind what is there now.
async fn pass_by(case: &Case<'_>) {
    let passed = lsn(&case.text("SELECT pg_current_wal_insert_lsn()").await);
    let mut instance = Instance::start(&case.config).await;
    await_that("a position behind what others wrote", async || {
        let write = "SELECT pg_logical_emit_message(true, 'other', 'text')";
        case.postgres.execute(write).await.unwrap();
        lsn(&case.position().await) > passed + 0x1000
    })
    .await;
    instance.stop().await;
}

/// What is reported of a promoted server whose WAL lacks what was delivered.
fn lacks_what_was_delivered(switched: &str, stored: &str) -> [String; 2] {
    [
        format!("the server was promoted to timeline 2 at {switched}, but changes up to {stored}"),
        format!("the records in ({switched}, {stored}] describe changes that the database no longer has"),
    ]
}

/// No slot is in a base backup: whatever was delivered, what comes next cannot be streamed.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_recovered_from_a_base_backup_halts() {
    let past = Past::get().await;
    let backup = past.backup.lock().unwrap().take().unwrap();
    let target = RecoveryTarget::Time(past.time.clone());
    let recovered = past.recover(backup, target).await;

    let case = case_on(&recovered, "past_slotless").await;
    let (switched, stored) = (switched_at(&case).await, delivered_until(&case).await);
    let why = case.halts().await;
    let [promoted, phantoms] = lacks_what_was_delivered(&switched, &stored);
    let wanted = [
        promoted,
        phantoms,
        format!("what was changed here after {switched} cannot be streamed"),
    ];
    assert_reports(&why, &wanted.each_ref().map(String::as_str));
    case.follow(&why).await;
    case.deliver([5]).await;
    assert_eq!(case.ids().await, [1, 2, 3, 4, 5]);
    assert_eq!(ids_in_table(&case).await, "1,2,3,5", "4 was not there any more");

    let case = case_on(&recovered, "level_slotless").await;
    let stored = case.position().await;
    let why = case.halts().await;
    let gone = format!("slot walcast_level_slotless does not exist, but a checkpoint at {stored} does");
    assert_reports(&why, &[&gone, "are gone with the slot; start over"]);
    case.follow(&why).await;
    case.deliver([5]).await;
    assert_eq!(case.ids().await, [1, 2, 5], "3 is in the table, to be read again");
    assert_eq!(ids_in_table(&case).await, "1,2,3,5");
}

/// The slot is there as it was when the copy was made, behind what was delivered since.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_recovered_with_its_slots_continues_unless_it_lacks_what_was_delivered() {
    let past = Past::get().await;
    let target = RecoveryTarget::Xid(past.xid.clone());
    let recovered = past.recover_snapshot(target).await;

    let case = case_on(&recovered, "past").await;
    let (switched, stored) = (switched_at(&case).await, delivered_until(&case).await);
    let why = case.halts().await;
    let [promoted, phantoms] = lacks_what_was_delivered(&switched, &stored);
    let wanted = [
        promoted,
        phantoms,
        format!("walcast checkpoint set {switched} --accept-gap"),
    ];
    assert_reports(&why, &wanted.each_ref().map(String::as_str));
    case.follow(&why).await;
    case.deliver([5]).await;
    assert_eq!(case.ids().await, [1, 2, 3, 4, 5], "2 and 3 do not come again");
    assert_eq!(ids_in_table(&case).await, "1,2,3,5");

    let case = case_on(&recovered, "level").await;
    case.deliver([5]).await;
    assert_eq!(
        case.ids().await,
        [1, 2, 3, 5],
        "3 was not delivered yet, 4 never was"
    );
    assert_eq!(ids_in_table(&case).await, "1,2,3,5");
    assert_eq!(case.checkpoint().await["timeline"], 2);
}

/// Its position lies behind the target, and nothing was delivered from there.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_recovered_to_before_an_idle_position_continues_where_it_left_the_timeline() {
    let past = Past::get().await;
    let target = RecoveryTarget::Lsn(past.lsn.clone());
    let recovered = past.recover_snapshot(target).await;
    let case = case_on(&recovered, "idle").await;
    let switched = switched_at(&case).await;
    assert!(lsn(&case.position().await) > lsn(&switched), "{switched}");
    case.deliver([5]).await;
    assert_eq!(case.ids().await, [1, 5]);
}

/// What is reported of a WAL that is not the one that was delivered from, though its positions are right.
const OTHER_LOG: [&str; 3] = [
    "this server's history is not the one that was delivered",
    "which was delivered last, is not there",
    "start over with: walcast checkpoint reset",
];

/// Makes the WAL of a server end behind a position.
async fn write_past(case: &Case<'_>, position: &str) {
    let write = "SELECT pg_logical_emit_message(true, 'other', repeat('x', 100000))";
    while lsn(&case.text("SELECT pg_current_wal_lsn()").await) <= lsn(position) {
        case.postgres.execute(write).await.unwrap();
    }
}

/// No recovery, so no timeline of its own: the sign is that the WAL ends before what was delivered, and later that what was
/// delivered is not in it.
#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_restored_from_a_copy_halts_whatever_it_has_written_since() {
    // What VACUUM writes to the copy could reach what was delivered.
    let options = PostgresOptions::major(17).with_setting("autovacuum", "off");
    let mut primary = Postgres::start(options).await.unwrap();
    Case::on(&primary, "restored_copy").await.deliver([1]).await;
    let mut snapshot = primary.copy_whole(primary.options().clone()).await.unwrap();
    let case = case_on(&primary, "restored_copy").await;
    case.deliver(2..40).await;
    primary.kill().unwrap();
    snapshot.start_again().await.unwrap();

    let case = case_on(&snapshot, "restored_copy").await;
    let ends_at = |why: &str| {
        let (_, end) = why.split_once("the server's WAL ends at ").unwrap();
        lsn(end.split_once(',').unwrap().0)
    };
    let stored = case.position().await;
    let why = case.halts().await;
    let range = format!("{stored}] describe changes that the database no longer has");
    assert_reports(
        &why,
        &[
            "it was restored from a backup",
            &range,
            "walcast checkpoint reset",
        ],
    );
    // It is written to, and is still behind.
    case.insert([100]).await;
    let later = case.halts().await;
    assert!(ends_at(&why) < ends_at(&later), "{why}\n{later}");
    assert!(ends_at(&later) < lsn(&stored), "{later}");
    // It is not any more; the slot was not advanced.
    let query = "SELECT confirmed_flush_lsn FROM pg_replication_slots";
    let confirmed = case.text(query).await;
    write_past(&case, &stored).await;
    for more in [None, Some(101)] {
        case.insert(more).await;
        let latest = case.halts_once_it_streams().await;
        assert_reports(&latest, &OTHER_LOG);
        assert_reports(&latest, &[&format!("records from ({confirmed}, {stored}]")]);
    }
    assert_eq!(case.text(query).await, confirmed);
    assert_eq!(case.position().await, stored);

    // The slot is as it was when the copy was made, so what was written here since then comes.
    case.follow(&later).await;
    let left = case.halts().await;
    assert_reports(
        &left,
        &["slot walcast_restored_copy exists, but no checkpoint does"],
    );
    case.follow(&left).await;
    case.deliver([102]).await;
    let delivered: Vec<u32> = (1..40).chain([100, 101, 102]).collect();
    assert_eq!(case.ids().await, delivered);
    assert_eq!(ids_in_table(&case).await, "1,100,101,102");
}

/// Neither server's archive knows of the other's timeline, so both took the same number.
#[tokio::test(flavor = "multi_thread")]
async fn distinguishes_two_servers_that_were_recovered_apart() {
    let options = PostgresOptions::major(17)
        .archiving()
        .with_setting("autovacuum", "off");
    let mut primary = Postgres::start(options.clone()).await.unwrap();
    Case::on(&primary, "apart").await.deliver([1]).await;
    let one = primary.copy_whole(options.clone()).await.unwrap();
    let other = primary.copy_whole(options).await.unwrap();
    let case = case_on(&primary, "apart").await;
    let target = RecoveryTarget::Xid(case.text("SELECT pg_current_xact_id()").await);
    primary.archive_log().await.unwrap();
    let mut recovered = Vec::new();
    for mut copy in [one, other] {
        copy.recover(&primary, &target).await.unwrap();
        recovered.push(copy);
    }

    let case = case_on(&recovered[0], "apart").await;
    case.deliver(2..20).await;
    let checkpoint = case.checkpoint().await;
    assert_eq!(checkpoint["timeline"], 2);
    let stored = case.position().await;

    let case = case_on(&recovered[1], "apart").await;
    assert_eq!(
        case.text("SELECT timeline_id FROM pg_control_checkpoint()").await,
        "2"
    );
    case.insert([100]).await;
    write_past(&case, &stored).await;
    assert_reports(&case.halts_once_it_streams().await, &OTHER_LOG);

    // Nothing came of it: the right one is continued.
    let case = case_on(&recovered[0], "apart").await;
    case.deliver([20]).await;
    assert_eq!(case.ids().await, (1..=20).collect::<Vec<u32>>());
}
