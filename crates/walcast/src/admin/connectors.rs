//! Connectors that the admin port serves, by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::connector_handle::ConnectorHandle;

/// Connectors of this process, by name.
#[derive(Debug)]
pub(crate) struct Connectors(BTreeMap<String, Arc<ConnectorHandle>>);

impl Connectors {
    /// Connectors with these handles.
    pub(crate) fn new(handles: impl IntoIterator<Item = ConnectorHandle>) -> Self {
        let named = |handle: ConnectorHandle| (handle.identity.name.clone(), Arc::new(handle));
        Self(handles.into_iter().map(named).collect())
    }

    /// Handles in the order of their names.
    pub(super) fn iter(&self) -> impl Iterator<Item = &ConnectorHandle> {
        self.0.values().map(Arc::as_ref)
    }

    /// Handles, for tasks of their own.
    pub(super) fn handles(&self) -> impl Iterator<Item = Arc<ConnectorHandle>> {
        self.0.values().map(Arc::clone)
    }

    /// Handle of the only connector; `None` if there are several, or none.
    pub(super) fn only(&self) -> Option<&Arc<ConnectorHandle>> {
        let mut handles = self.0.values();
        handles.next().filter(|_| handles.next().is_none())
    }
}
