//! What was seen last, for those who watch it.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Holder, Outlook};
use crate::WalLook;

/// The last look. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct WalBoard(Arc<Mutex<Option<WalView>>>);

/// A look and what it means.
#[derive(Clone, Debug, PartialEq)]
pub struct WalView {
    /// What was found.
    pub look: WalLook,
    /// Bytes of log that the server writes in a second; `None`: there was one look only.
    pub written_per_second: Option<f64>,
    /// The limits that there are, and whether each was warned of.
    pub limits: Vec<(Outlook, bool)>,
    /// Why the slot holds back what it does; `None`: it is next to nothing.
    pub holder: Option<Holder>,
}

impl WalBoard {
    /// What stands on it; `None`: nobody looks, because the connector does not lead or the server does not answer.
    #[must_use]
    pub fn read(&self) -> Option<WalView> {
        self.lock().clone()
    }

    pub(super) fn show(&self, view: Option<WalView>) {
        *self.lock() = view;
    }

    /// Nobody panics while holding it; a board is worth less than whatever would end because of one.
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<WalView>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
