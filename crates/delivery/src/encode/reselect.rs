//! Reselection: values that WAL omits from an updated row are read from the table by the row's key, if so configured.
//!
//! The values are current ones. A later change may have written them; that change then follows in the topic.

use walcast_mapper::{ReselectRequest, RowChange};
use walcast_pgoutput::Tuple;
use walcast_pgoutput::reader::Reader;

use crate::error::DeliveryError;
use crate::ports::catalog::Catalog;

/// Completes the new row of an update with the values that were not sent; `None` if the row no longer exists.
pub(crate) async fn complete<C: Catalog>(
    catalog: &mut C,
    unsent: &ReselectRequest<'_>,
    change: &RowChange<'_>,
) -> Result<Option<Vec<u8>>, DeliveryError> {
    let RowChange::Update { new, .. } = change else {
        return Ok(None);
    };
    let values = catalog.reselect(unsent).await.map_err(DeliveryError::Source)?;
    Ok(values.map(|values| unsent.complete(new, &values)))
}

/// Replaces the new row of a change.
pub(crate) fn with_row<'a>(change: &RowChange<'a>, row: &'a [u8]) -> RowChange<'a> {
    let row = Tuple::read(&mut Reader::new(row)).expect("the row was encoded by this crate");
    match *change {
        RowChange::Update { old, .. } => RowChange::Update { old, new: row },
        other => other,
    }
}
