//! State of the admin port.

use crate::admin::connectors::Connectors;
use crate::admin::host::Hosts;
use crate::admin::token::Access;

/// State that the handlers share.
#[derive(Debug)]
pub(super) struct Served {
    /// Connectors, by name.
    pub(super) connectors: Connectors,
    /// Host names under which the port may be addressed.
    pub(super) hosts: Hosts,
    /// Clients that may send requests.
    pub(super) access: Access,
    /// Whether the API of Kafka Connect is served.
    pub(super) connect_api: bool,
}
