//! Rows that are read from their tables.

use walcast_mapper::{
    Batch, DeadLetter, GoneContext, LetterPlace, LostEvent, MapError, Plan, ReadContext, TableFacts,
    TableName, gone_tuple,
};
use walcast_pgoutput::reader::Reader;
use walcast_pgoutput::{Oid, Relation, Tuple};

use super::lost::limit_again;
use super::{EncodeFault, Relations};
use crate::FormerKey;
use crate::dead_letters::Refusal;
use crate::edge::{Catalog, SchemaRegistry, Topics};

/// How the rows of a table that is read become records.
pub(crate) struct RowsPlan {
    pub(crate) table: TableName,
    relation: Relation,
    /// The columns of its key, as the catalog has them.
    key_columns: Vec<String>,
    /// Or why none of them can be made.
    plan: Result<Box<Plan>, Refusal>,
}

impl RowsPlan {
    /// The table's number.
    pub(crate) fn oid(&self) -> Oid {
        self.relation.oid
    }

    /// Where they go.
    pub(crate) fn topic(&self) -> Option<&str> {
        self.plan.as_ref().ok().map(|plan| plan.topic())
    }
}

impl<C: Catalog, T: Topics, R: SchemaRegistry> Relations<'_, C, T, R> {
    /// The plan of a table that is read, bound to its topic and schemas.
    pub(crate) async fn plan_of_rows(
        &mut self,
        relation: Relation,
        facts: &TableFacts,
    ) -> Result<RowsPlan, EncodeFault> {
        let table = TableName::from(&relation);
        let plan = match self.plan_of(&relation, facts).await {
            Ok(plan) => Ok(Box::new(plan)),
            Err(fault) => match Refusal::of(&fault) {
                Some(refusal) if self.dead_letters.keep(&table) => Err(refusal),
                _ => return Err(fault),
            },
        };
        Ok(RowsPlan {
            table,
            relation,
            key_columns: facts.key_columns.clone(),
            plan,
        })
    }

    /// Encodes a row, or writes it down as a dead letter; true when it is a record.
    pub(crate) async fn encode_row(
        &mut self,
        rows: &mut RowsPlan,
        row: Tuple<'_>,
        context: &ReadContext,
        batch: &mut Batch,
    ) -> Result<bool, EncodeFault> {
        let fault = match self.try_encode_row(rows, row, context, batch).await {
            Ok(()) => return Ok(true),
            Err(fault) => fault,
        };
        let Some(refusal) = Refusal::of(&fault).filter(|_| self.dead_letters.keep(&rows.table)) else {
            return Err(fault);
        };
        let letter = DeadLetter {
            relation: &rows.relation,
            key_columns: &rows.key_columns,
            event: LostEvent::Read(row),
            place: LetterPlace::Read(*context),
            reason: refusal.reason,
            error: &refusal.error,
        };
        self.dead_letters
            .write(&mut self.registrar, &letter, batch)
            .await?;
        Ok(false)
    }

    /// Encodes what a deleted row leaves, for a key that no row has; why that cannot be, where it lies in the key or the table.
    pub(crate) fn encode_gone(
        &self,
        rows: &mut RowsPlan,
        key: &FormerKey,
        context: &GoneContext,
        batch: &mut Batch,
    ) -> Result<(), String> {
        let plan = rows.plan.as_mut().map_err(|refusal| refusal.error.clone())?;
        let tuple = gone_tuple(&rows.relation, &rows.key_columns, self.config, &key.0);
        let Some(tuple) = tuple else {
            return Err(
                "it is not the key of the table's records, or its replica identity is the whole row"
                    .to_owned(),
            );
        };
        let tuple = Tuple::read(&mut Reader::new(&tuple)).expect("it was written here");
        plan.encode_gone(tuple, context, batch)
            .map_err(|error| error.to_string())
    }

    async fn try_encode_row(
        &mut self,
        rows: &mut RowsPlan,
        row: Tuple<'_>,
        context: &ReadContext,
        batch: &mut Batch,
    ) -> Result<(), EncodeFault> {
        let plan = match &mut rows.plan {
            Ok(plan) => plan,
            Err(refusal) => return Err(EncodeFault::Refused(refusal.clone())),
        };
        let error = match plan.encode_read(row, context, batch) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if !matches!(error, MapError::TooLarge { .. }) {
            return Err(EncodeFault::Map(error));
        }
        // They may have been raised since the table was opened.
        limit_again(&mut self.registrar, plan, error).await?;
        plan.encode_read(row, context, batch).map_err(EncodeFault::Map)
    }
}
