//! What can happen.

use std::fmt;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

/// One in so many faults of a network or a clock lasts long.
const ONE_IN_LONG: u32 = 6;
/// Longer than a Kafka transaction may stay open and a replication connection may stay silent here.
const LONG_MS: std::ops::Range<u64> = 12_000..16_000;
const SHORT_MS: std::ops::Range<u64> = 300..3_000;

/// A fault. Brokers are counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The network to some server.
    Network(End, Weather),
    /// SIGKILL; started again when it is repaired.
    Killed(Server),
    /// SIGSTOP to all its processes.
    Frozen(Server),
    /// Stopped in order and started.
    Restarted(Server),
    /// The primary killed and its standby promoted; rewound behind it when it is repaired.
    FailedOver,
    /// The primary stopped in order and its standby promoted; a standby of it when it is repaired.
    SwitchedOver,
    /// Every broker restarted, one after the other.
    RolledThrough,
    /// A broker's disk is full.
    DiskFull(usize),
    /// The server ends the replication connection.
    WalsenderEnded,
    /// The server ends the connection that holds the lead.
    LeadEnded,
    /// Tables get and lose columns.
    Altered,
    /// The same while the registry is out of reach, so that the new schema cannot be registered.
    AlteredUnregistered(Weather),
    /// The same while the registry is dead.
    AlteredRegistryKilled,
    /// SIGKILL of the connector that leads.
    LeaderKilled,
    /// SIGSTOP of the connector that leads.
    LeaderFrozen,
    /// SIGKILL of the connector that stands by.
    StandbyKilled,
}

/// The far end of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Postgres,
    Broker(usize),
    AllBrokers,
}

/// What a network does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weather {
    /// Connections are reset; new ones are let through.
    Cut,
    /// Connections are reset and refused.
    Closed,
    /// Nothing passes, and neither end is notified.
    Stalled,
    /// Only what the connectors say passes.
    Deaf,
    /// Only what the connectors hear passes.
    Mute,
    /// Everything comes later.
    Delayed,
    /// A byte at a time.
    Dripping,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Server {
    Postgres,
    Broker(usize),
}

/// What can fail: two faults of one part are not there at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Source,
    Kafka,
    Registry,
    Connectors,
}

impl Weather {
    pub(super) const ALL: [Weather; 7] = [
        Weather::Cut,
        Weather::Closed,
        Weather::Stalled,
        Weather::Deaf,
        Weather::Mute,
        Weather::Delayed,
        Weather::Dripping,
    ];
}

impl Fault {
    /// What it is a fault of, and what must be well for it to be one.
    pub(super) fn parts(&self) -> &'static [Part] {
        match self {
            // A server that is stopped in order waits until the connector has confirmed everything.
            Fault::Restarted(Server::Postgres) | Fault::SwitchedOver => &[Part::Source, Part::Kafka],
            Fault::Network(End::Postgres, _)
            | Fault::FailedOver
            | Fault::Killed(Server::Postgres)
            | Fault::Frozen(Server::Postgres)
            | Fault::WalsenderEnded
            | Fault::LeadEnded => &[Part::Source],
            Fault::Network(..)
            | Fault::Killed(_)
            | Fault::Frozen(_)
            | Fault::Restarted(_)
            | Fault::RolledThrough
            | Fault::DiskFull(_) => &[Part::Kafka],
            Fault::Altered | Fault::AlteredUnregistered(_) | Fault::AlteredRegistryKilled => {
                &[Part::Registry, Part::Source]
            }
            Fault::LeaderKilled | Fault::LeaderFrozen | Fault::StandbyKilled => &[Part::Connectors],
        }
    }

    /// Whether the two can last at once.
    pub(super) fn goes_with(&self, other: &Fault) -> bool {
        self.parts().iter().all(|part| !other.parts().contains(part))
    }

    /// Whether it is over only some time after it was repaired.
    pub(super) fn leaves_traces(&self) -> bool {
        matches!(self, Fault::FailedOver | Fault::SwitchedOver)
    }

    /// How long it lasts.
    pub(super) fn hold(&self, chance: &mut StdRng) -> Duration {
        let can_be_long = matches!(self, Fault::Network(..) | Fault::Frozen(_) | Fault::LeaderFrozen);
        let range = if can_be_long && chance.random_ratio(1, ONE_IN_LONG) {
            LONG_MS
        } else {
            SHORT_MS
        };
        Duration::from_millis(chance.random_range(range))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Network(end, weather) => write!(f, "network to {end} {weather}"),
            Fault::Killed(server) => write!(f, "{server} killed"),
            Fault::Frozen(server) => write!(f, "{server} frozen"),
            Fault::Restarted(server) => write!(f, "{server} restarted"),
            Fault::FailedOver => f.write_str("primary killed, standby promoted"),
            Fault::SwitchedOver => f.write_str("primary stopped, standby promoted"),
            Fault::RolledThrough => f.write_str("brokers restarted one after the other"),
            Fault::DiskFull(_) => f.write_str("disk of a broker full"),
            Fault::WalsenderEnded => f.write_str("replication connection ended by the server"),
            Fault::LeadEnded => f.write_str("lead ended by the server"),
            Fault::Altered => f.write_str("tables altered"),
            Fault::AlteredUnregistered(weather) => {
                write!(f, "tables altered, network to the registry {weather}")
            }
            Fault::AlteredRegistryKilled => f.write_str("tables altered, registry killed"),
            Fault::LeaderKilled => f.write_str("leading connector killed"),
            Fault::LeaderFrozen => f.write_str("leading connector frozen"),
            Fault::StandbyKilled => f.write_str("connector that stands by killed"),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            End::Postgres => "Postgres",
            End::Broker(_) => "a broker",
            End::AllBrokers => "all brokers",
        })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Server::Postgres => "primary",
            Server::Broker(_) => "a broker",
        })
    }
}

impl fmt::Display for Weather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Weather::Cut => "cut",
            Weather::Closed => "closed",
            Weather::Stalled => "stalled",
            Weather::Deaf => "half open: nothing is heard",
            Weather::Mute => "half open: nothing is sent",
            Weather::Delayed => "delayed",
            Weather::Dripping => "a byte at a time",
        })
    }
}
