//! Look-up of the bookmarks on the server.

use anyhow::Context;
use walcast_delivery::{BookmarkSample, BookmarkSlots, DeliveryError};
use walcast_postgres::PostgresBookmarks;

/// Bookmarks of the connector now.
pub(in crate::cli) async fn look(slots: &mut PostgresBookmarks) -> anyhow::Result<BookmarkSample> {
    let sample = slots.look().await.map_err(DeliveryError::Source)?;
    sample.context("the connection to the server has ended")
}
