//! Nothing is handed on before the server's log is recognised.

use walcast_pgoutput::Lsn;

use super::{Intake, IntakeFault};
use crate::edge::{RowsCatalog, SchemaRegistry, Snapshots, Topics};
use crate::recognition::Shown;

impl<C: RowsCatalog, T: Topics, R: SchemaRegistry, N: Snapshots> Intake<'_, C, T, R, N> {
    /// Whether the position of a keepalive between two transactions can be used: it lies behind what is read again.
    pub(super) async fn recognise_keepalive(&mut self, wal_end: Lsn) -> Result<bool, IntakeFault> {
        let Some(recognition) = &self.resume.recognition else {
            return Ok(true);
        };
        match recognition.see_keepalive(wal_end) {
            Ok(Shown::Delivered) => Ok(false),
            Ok(Shown::Recognised) => self.is_recognised().await.map(|()| true),
            Err(halt) => Err(IntakeFault::Failed(halt.into())),
        }
    }

    /// The shipper hears of it by its first parcel: until then it confirms nothing.
    pub(super) async fn is_recognised(&mut self) -> Result<(), IntakeFault> {
        self.resume.recognition = None;
        self.parcel.idle_until = Some(self.resume.from);
        if self.rows.are_due_at(self.resume.from) {
            self.read_tables().await?;
        }
        Ok(())
    }
}
