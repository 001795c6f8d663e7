//! Ports that encoding needs.

use crate::ports::catalog::RowsCatalog;
use crate::ports::registry::SchemaRegistry;
use crate::ports::topics::Topics;

/// Set of the ports that encoding needs.
pub(crate) trait EncodePorts {
    /// Port to table metadata and rows.
    type Catalog: RowsCatalog;
    /// Port to topics.
    type Topics: Topics;
    /// Port to schemas.
    type Registry: SchemaRegistry;
}

impl<C: RowsCatalog, T: Topics, R: SchemaRegistry> EncodePorts for (C, T, R) {
    type Catalog = C;
    type Topics = T;
    type Registry = R;
}
