//! Creation of bookmarks, for `walcast bookmark` and for requests.

use anyhow::Context;
use walcast_delivery::{
    BookmarkConfig, BookmarkName, BookmarkRejected, BookmarkSample, BookmarkSlots, BookmarksInspected,
    DeliveryError, creatable,
};
use walcast_postgres::{PostgresBookmarks, PostgresConfig};

use crate::bookmark_report::BookmarkReport;

/// Keeps the confirmed position of the connector's slot.
pub(crate) async fn create(
    postgres: &PostgresConfig,
    config: &BookmarkConfig,
    name: &BookmarkName,
) -> anyhow::Result<BookmarkReport> {
    let mut slots = PostgresBookmarks::connect(postgres).await?;
    let slot = creatable(config, &look(&mut slots).await?, name)?;
    slots.copy(&slot).await.map_err(DeliveryError::Source)?;
    let sample = look(&mut slots).await?;
    // Two commands may have found the name free. The time is part of the names of slots, in hexadecimal digits of one length.
    let is_earlier = |other: &str| other < slot.as_str();
    let mut namesakes = sample.bookmarks.iter().filter(|one| one.name == name.as_str());
    if namesakes.any(|one| is_earlier(&one.slot)) {
        slots.drop_slot(&slot).await.map_err(DeliveryError::Source)?;
        let name = name.to_string();
        return Err(BookmarkRejected::NameInUse { name }.into());
    }
    let created = reports(config, &sample).into_iter().find(|one| one.slot == slot);
    created.context("the new bookmark is not in the list of the server's slots")
}

/// Bookmarks of the connector now.
pub(crate) async fn look(slots: &mut PostgresBookmarks) -> anyhow::Result<BookmarkSample> {
    let sample = slots.look().await.map_err(DeliveryError::Source)?;
    sample.context("the connection to the server has ended")
}

/// Reports of the bookmarks in a sample.
pub(crate) fn reports(config: &BookmarkConfig, sample: &BookmarkSample) -> Vec<BookmarkReport> {
    BookmarkReport::all(&BookmarksInspected::of(sample, config.wal_budget))
}
