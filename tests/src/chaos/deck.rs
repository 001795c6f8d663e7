//! Every fault once, in an order by chance.

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::fault::{End, Fault, Server, Weather};
use super::stage::BROKERS;

pub(super) struct Deck {
    left: Vec<Fault>,
    rounds: u32,
}

impl Deck {
    pub(super) fn shuffled(chance: &mut StdRng) -> Deck {
        let left = every_fault(chance);
        Deck { left, rounds: 0 }
    }

    /// Whether each fault was drawn once.
    pub(super) fn is_through(&self) -> bool {
        self.rounds > 0 || self.left.is_empty()
    }

    /// The next fault that can be; one that cannot be stays.
    pub(super) fn draw(&mut self, chance: &mut StdRng, can_be: impl Fn(&Fault) -> bool) -> Option<Fault> {
        if self.left.is_empty() {
            self.left = every_fault(chance);
            self.rounds += 1;
        }
        let place = self.left.iter().position(can_be)?;
        Some(self.left.remove(place))
    }
}

fn every_fault(chance: &mut StdRng) -> Vec<Fault> {
    let mut faults = vec![
        Fault::Restarted(Server::Postgres),
        Fault::FailedOver,
        Fault::SwitchedOver,
        Fault::RolledThrough,
        Fault::WalsenderEnded,
        Fault::LeadEnded,
        Fault::Altered,
        Fault::AlteredUnregistered(Weather::Closed),
        Fault::AlteredUnregistered(Weather::Stalled),
        Fault::AlteredRegistryKilled,
        Fault::LeaderKilled,
        Fault::LeaderFrozen,
        Fault::StandbyKilled,
        Fault::Killed(Server::Postgres),
        Fault::Frozen(Server::Postgres),
    ];
    for end in [End::Postgres, End::AllBrokers] {
        faults.extend(Weather::ALL.map(|weather| Fault::Network(end, weather)));
    }
    // Of one of the brokers: which one leads what changes all the time.
    let mut some = || chance.random_range(0..BROKERS);
    faults.extend([
        Fault::Network(End::Broker(some()), Weather::Closed),
        Fault::Network(End::Broker(some()), Weather::Stalled),
        Fault::Killed(Server::Broker(some())),
        Fault::Frozen(Server::Broker(some())),
        Fault::Restarted(Server::Broker(some())),
        Fault::DiskFull(some()),
    ]);
    faults.shuffle(chance);
    faults
}
