//! The source: a primary and a standby that takes its place with all slots, each behind a line of its own. Either can have
//! either role, and what has lost the primary's comes back as the standby.

use std::time::{Duration, Instant};

use tokio_postgres::Config;
use walcast_testbed::{Postgres, PostgresOptions, Proxy, StopMode};

use crate::{either, make_physical_slot, synchronised};

/// The version with everything of docs/high-availability.md.
const MAJOR: u16 = 18;

/// Short, so that a fault can outlast it.
const WAL_SENDER_TIMEOUT: &str = "6s";

/// How often a standby tries to reach its primary; five seconds as shipped.
const STANDBY_RETRY: &str = "200ms";

/// The WAL is copied with every rewind.
const LOG_KEPT: &str = "128MB";

/// How often the copying of slots is helped.
const HELP_EVERY: Duration = Duration::from_millis(500);

/// Whether a standby copies slots.
const COPYING: &str = "sync_replication_slots";

pub(super) struct Source {
    nodes: [Node; 2],
    /// Which of them is the primary.
    primary: usize,
    /// When the copying of slots was helped last.
    helped: Instant,
}

struct Node {
    postgres: Postgres,
    line: Proxy,
}

impl Node {
    async fn of(postgres: Postgres) -> Node {
        let line = Proxy::start(postgres.port()).await.unwrap();
        Node { postgres, line }
    }
}

impl Source {
    pub(super) async fn start() -> Source {
        let options: PostgresOptions = synchronised(MAJOR)
            .with_setting("wal_sender_timeout", WAL_SENDER_TIMEOUT)
            .with_setting("wal_retrieve_retry_interval", STANDBY_RETRY)
            .with_setting("max_wal_size", LOG_KEPT);
        let mut primary = Postgres::start(options).await.unwrap();
        make_physical_slot(&primary).await;
        let standby = primary.standby().await.unwrap();
        Source {
            nodes: [Node::of(primary).await, Node::of(standby).await],
            primary: 0,
            helped: Instant::now(),
        }
    }

    /// How the connectors reach whichever server is the primary.
    pub(super) fn url(&self) -> String {
        let ports = self.nodes.each_ref().map(|node| node.line.port());
        either(ports, &self.primary().options().database)
    }

    /// How the load does: directly.
    pub(super) fn config(&self) -> Config {
        let [first, second] = &self.nodes;
        first.postgres.config_of_either(&second.postgres)
    }

    pub(super) fn lines(&self) -> Vec<&Proxy> {
        self.nodes.iter().map(|node| &node.line).collect()
    }

    pub(super) fn primary(&self) -> &Postgres {
        &self.nodes[self.primary].postgres
    }

    pub(super) fn primary_mut(&mut self) -> &mut Postgres {
        &mut self.nodes[self.primary].postgres
    }

    fn standby(&self) -> &Postgres {
        &self.nodes[1 - self.primary].postgres
    }

    /// The primary dies, and the standby is promoted.
    pub(super) async fn fail_over(&mut self) {
        self.primary_mut().kill().unwrap();
        self.promote().await;
    }

    /// The primary is stopped in order, and the standby is promoted.
    pub(super) async fn switch_over(&mut self) {
        // Its own slots are in the way of copies of the new primary's: see `rejoin`.
        self.primary().set_setting(COPYING, "off").await.unwrap();
        self.primary_mut().stop(StopMode::Fast).await.unwrap();
        self.promote().await;
    }

    async fn promote(&mut self) {
        self.standby().promote().await.unwrap();
        self.primary = 1 - self.primary;
    }

    /// The server that was killed follows the one that took its place, rewound.
    pub(super) async fn rejoin_rewound(&mut self) {
        let (primary, standby) = self.pair();
        make_physical_slot(primary).await;
        standby.rewind(primary).await.unwrap();
    }

    /// The server that was stopped follows the one that took its place, as it is: it has nothing that the other one has not.
    /// Its slots have to go, but for copies: a standby copies none over a slot that it did not copy.
    pub(super) async fn rejoin(&mut self) {
        let (primary, standby) = self.pair();
        make_physical_slot(primary).await;
        standby.follow(primary).await.unwrap();
        let drop = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT synced";
        standby.execute(drop).await.unwrap();
        standby.set_setting(COPYING, "on").await.unwrap();
    }

    fn pair(&mut self) -> (&Postgres, &mut Postgres) {
        let [first, second] = &mut self.nodes;
        match self.primary {
            0 => (&first.postgres, &mut second.postgres),
            _ => (&second.postgres, &mut first.postgres),
        }
    }

    /// Whether the standby could take over: its copy of the slot is complete.
    pub(super) async fn is_whole(&mut self, slot: &str) -> bool {
        let client = self.standby().client().await.unwrap();
        let complete = "SELECT synced AND NOT temporary FROM pg_replication_slots WHERE slot_name = $1";
        let row = client.query_opt(complete, &[&slot]).await.unwrap();
        if row.is_some_and(|row| row.get::<_, Option<bool>>(0) == Some(true)) {
            return true;
        }
        if self.helped.elapsed() < HELP_EVERY {
            return false;
        }
        self.helped = Instant::now();
        // The primary's slot comes to where a copy can begin with a look at the running transactions, which the server notes
        // every 15 s, and, where there are always some, with a change of the catalog; and the standby looks at once.
        let help = "SELECT pg_log_standby_snapshot(); COMMENT ON SCHEMA public IS 'of the shop'";
        self.primary().execute(help).await.unwrap();
        client.batch_execute("SELECT pg_reload_conf()").await.unwrap();
        false
    }
}
