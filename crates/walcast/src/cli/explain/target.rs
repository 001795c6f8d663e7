//! The record that is explained, as an argument names it.

use std::fmt;
use std::str::FromStr;

use walcast_pgoutput::Lsn;
use walcast_topics::WalcastId;

/// Name of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Place in Kafka.
    Place {
        topic: String,
        partition: i32,
        offset: i64,
    },
    /// Header `walcast.id`.
    Id(WalcastId),
    /// Position of a commit record or of a snapshot.
    Lsn(Lsn),
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(id) = text.parse() {
            return Ok(Self::Id(id));
        }
        if let Ok(lsn) = text.parse() {
            return Ok(Self::Lsn(lsn));
        }
        place(text).ok_or_else(|| {
            "expected TOPIC/PARTITION/OFFSET, an LSN such as 0/16B3748, or a walcast.id such as 0/16B3748/5".to_owned()
        })
    }
}

fn place(text: &str) -> Option<Target> {
    let (rest, offset) = text.rsplit_once('/')?;
    let (topic, partition) = rest.rsplit_once('/')?;
    let is_topic = !topic.is_empty() && !topic.contains('/');
    Some(Target::Place {
        topic: is_topic.then(|| topic.to_owned())?,
        partition: partition.parse().ok()?,
        offset: offset.parse().ok()?,
    })
}

impl Target {
    /// Position at which the record is searched for; `None` for a place.
    pub(super) fn lsn(&self) -> Option<Lsn> {
        match self {
            Self::Place { .. } => None,
            Self::Id(id) => Some(id.lsn()),
            Self::Lsn(lsn) => Some(*lsn),
        }
    }

    /// The `walcast.id`, if it names the record.
    pub(super) fn id(&self) -> Option<WalcastId> {
        match self {
            Self::Id(id) => Some(*id),
            Self::Place { .. } | Self::Lsn(_) => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Place {
                topic,
                partition,
                offset,
            } => write!(f, "{topic}/{partition}/{offset}"),
            Self::Id(id) => id.fmt(f),
            Self::Lsn(lsn) => lsn.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_are_distinguished() {
        let target = |text: &str| text.parse::<Target>();
        assert!(matches!(target("0/16B3748/5"), Ok(Target::Id(_))));
        assert!(matches!(target("0/16B3748"), Ok(Target::Lsn(_))));
        let place = Target::Place {
            topic: "shop.public.orders".to_owned(),
            partition: 0,
            offset: 12,
        };
        assert_eq!(target("shop.public.orders/0/12"), Ok(place));
        for text in ["0/16B3748/5", "0/16B3748", "shop.public.orders/0/12"] {
            assert_eq!(target(text).unwrap().to_string(), text);
        }
        for text in ["", "orders", "orders/0", "a/b/0/1", "orders/0/x"] {
            assert!(target(text).is_err(), "{text}");
        }
    }
}
