//! Values that the log leaves out of an updated row, asked for by the row's key where the configuration wants it.
//!
//! They are those of now: a later change may have made them what they are, and then comes later in the topic as well.

use walcast_mapper::{RowChange, Unsent};
use walcast_pgoutput::Tuple;
use walcast_pgoutput::reader::Reader;

use crate::DeliveryError;
use crate::edge::Catalog;

/// The row that an update leaves, with the values that were not sent; `None` when the row is gone meanwhile.
pub(crate) async fn complete<C: Catalog>(
    catalog: &mut C,
    unsent: &Unsent<'_>,
    change: &RowChange<'_>,
) -> Result<Option<Vec<u8>>, DeliveryError> {
    let RowChange::Update { new, .. } = change else {
        return Ok(None);
    };
    let values = catalog.reselect(unsent).await.map_err(DeliveryError::Source)?;
    Ok(values.map(|values| unsent.complete(new, &values)))
}

/// The change with another row in the place of the one it leaves.
pub(crate) fn with_row<'a>(change: &RowChange<'a>, row: &'a [u8]) -> RowChange<'a> {
    let row = Tuple::read(&mut Reader::new(row)).expect("it was written here");
    match *change {
        RowChange::Update { old, .. } => RowChange::Update { old, new: row },
        other => other,
    }
}
