//! The port to the slots that hold bookmarks.

use std::future::Future;

use crate::bookmarks::sample::BookmarkSample;
use crate::port_error::BoxedPortError;

/// Slots that hold the bookmarks of a connector.
pub trait BookmarkSlots {
    /// The bookmarks; `None` if the connector does not have leadership or the server is unavailable.
    fn look(&mut self) -> impl Future<Output = Result<Option<BookmarkSample>, BoxedPortError>>;

    /// Copies the connector's slot to a new slot of this name.
    fn copy(&mut self, slot: &str) -> impl Future<Output = Result<(), BoxedPortError>>;

    /// Drops the slot of a bookmark.
    fn drop_slot(&mut self, slot: &str) -> impl Future<Output = Result<(), BoxedPortError>>;
}
