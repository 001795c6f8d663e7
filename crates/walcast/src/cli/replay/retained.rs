//! Slots from whose positions WAL can be read again: the bookmarks, and the slot of the connector.

use walcast_delivery::{Checkpoint, SourceState, is_of_this_server, usable_slot};
use walcast_pgoutput::Lsn;
use walcast_postgres::{PostgresBookmarks, inspect};

use crate::bookmarking::look;
use crate::config::Config;
use crate::exit::Rejection;
use crate::remedy::describe;

/// Slot that retains WAL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RetainedSlot {
    /// Name of the slot.
    pub(super) slot: String,
    /// Bookmark that it holds; `None` if it is the slot of the connector.
    pub(super) bookmark: Option<String>,
    /// Position from which on transactions can be streamed.
    pub(super) position: Lsn,
}

impl RetainedSlot {
    /// Bookmark or slot, for messages.
    pub(super) fn text(&self) -> String {
        origin_text(&self.slot, self.bookmark.as_deref())
    }
}

/// Bookmark or slot, for messages.
pub(super) fn origin_text(slot: &str, bookmark: Option<&str>) -> String {
    match bookmark {
        Some(bookmark) => format!("bookmark {bookmark}"),
        None => format!("slot {slot}"),
    }
}

/// Slots of a connector that retain WAL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Retained(Vec<RetainedSlot>);

impl Retained {
    /// Looks the slots up. Nothing is created, locked or changed.
    ///
    /// # Errors
    /// The server cannot be reached, or it does not have the history that was delivered.
    pub(super) async fn look(config: &Config, current: &Checkpoint) -> anyhow::Result<Self> {
        let slot = &config.postgres.slot;
        let source_state = inspect(&config.postgres, Some(current.timeline)).await?;
        is_of_this_server(&source_state, current, slot)
            .map_err(|halt| Rejection::Request(format!("nothing was sent: {}", describe(&halt))))?;
        let mut bookmarks = PostgresBookmarks::connect(&config.postgres).await?;
        let sample = look(&mut bookmarks).await?;
        let held = sample.bookmarks.iter().filter_map(|bookmark| {
            Some(RetainedSlot {
                slot: bookmark.slot.clone(),
                bookmark: Some(bookmark.name.clone()),
                position: bookmark.held_position().ok()?,
            })
        });
        Ok(Self(held.chain(of_connector(&source_state)).collect()))
    }

    /// Slot that retains everything from a position on, and of several the one that retains the least.
    pub(super) fn reaching(&self, from: Lsn) -> Option<&RetainedSlot> {
        let reaching = self.0.iter().filter(|one| one.position <= from);
        reaching.max_by_key(|one| one.position)
    }

    /// Nearest position that can be reached, where none of the slots reaches back far enough.
    pub(super) fn nearest(&self) -> Option<Lsn> {
        self.0.iter().map(|one| one.position).min()
    }

    /// Text for a position that no slot reaches.
    pub(super) fn lacking(&self, from: Lsn) -> String {
        match self.nearest() {
            Some(nearest) => format!(
                "no bookmark and no slot of the connector retains the WAL from {from}; the nearest position is {nearest}"
            ),
            None => format!("no bookmark and no slot of the connector retains the WAL from {from}"),
        }
    }
}

fn of_connector(source_state: &SourceState) -> Option<RetainedSlot> {
    let slot = source_state.slot.as_ref()?;
    let position = usable_slot(source_state, slot, Lsn::INVALID).ok()?;
    Some(RetainedSlot {
        slot: slot.name.clone(),
        bookmark: None,
        position,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(position: u64, bookmark: Option<&str>) -> RetainedSlot {
        RetainedSlot {
            slot: "walcast_shop".to_owned(),
            bookmark: bookmark.map(str::to_owned),
            position: Lsn::new(position),
        }
    }

    #[test]
    fn the_slot_that_retains_the_least_is_copied() {
        let retained = Retained(vec![
            slot(0x10, Some("old")),
            slot(0x20, Some("new")),
            slot(0x30, None),
        ]);
        let reaching = |from: u64| retained.reaching(Lsn::new(from)).map(RetainedSlot::text);
        assert_eq!(reaching(0x0F), None);
        assert_eq!(reaching(0x10).as_deref(), Some("bookmark old"));
        assert_eq!(reaching(0x2F).as_deref(), Some("bookmark new"));
        assert_eq!(reaching(0x30).as_deref(), Some("slot walcast_shop"));
        assert_eq!(
            retained.lacking(Lsn::new(1)),
            "no bookmark and no slot of the connector retains the WAL from 0/1; the nearest position is 0/10"
        );
        assert_eq!(
            Retained::default().lacking(Lsn::new(1)),
            "no bookmark and no slot of the connector retains the WAL from 0/1"
        );
    }
}
