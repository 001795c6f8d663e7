//! Changes of an event store: the stream and the version of each event, and what an update or a delete does to one.

use walcast_pgoutput::{Column, Oid, OldTuple, RelationColumn};

use super::part::Part;
use crate::change::RowChange;
use crate::column::ColumnContext;
use crate::config::{Choice, EventStoreRule, OnViolation};
use crate::encode::Scratch;
use crate::error::MapError;
use crate::format::Raw;
use crate::row::{Row, RowError};
use crate::table_metadata::{TableMetadata, TypeKind};

/// OID of the type `oid`, whose values are the numbers of large objects.
const LARGE_OBJECT: Oid = Oid::new(26);
/// OIDs of the types `int8`, `int2` and `int4`.
const INTEGERS: [Oid; 3] = [Oid::new(20), Oid::new(21), Oid::new(23)];
/// Separates the values that identify a stream; no text of Postgres contains it.
const SEPARATOR: u8 = 0;
/// Stands for null among these values: no text begins with it.
const NULL: u8 = 1;

/// Columns of an event store by their places, and the rules for its changes.
#[derive(Debug)]
pub(crate) struct EventStorePlan {
    /// The stream id, as it is sent.
    stream: Part,
    scope: Vec<usize>,
    version: usize,
    event_type: usize,
    unversioned_types: Vec<String>,
    sequence: Option<usize>,
    archived: Option<usize>,
    /// Whether archiving an event moves its row to another partition.
    archiving_moves: bool,
    mutable: Vec<usize>,
    rules: StreamRules,
}

/// Rules for the streams of an event store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamRules {
    /// Version of the first event of a stream.
    pub first_version: i64,
    /// Handling of violations.
    pub on_violation: OnViolation,
    /// Number of streams whose last versions are remembered.
    pub streams_remembered: usize,
}

/// Event of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamEvent {
    /// Stream with its scope, which identifies it.
    pub stream: Vec<u8>,
    /// Version of the event in the stream.
    pub version: i64,
}

/// What a change does to an event store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreChange {
    /// An event is appended to its stream.
    Appended(StreamEvent),
    /// An event is appended whose version has no place in the order of its stream.
    AppendedUnversioned,
    /// A row is inserted as archived: the row of an event that was moved to another partition, or a new event.
    InsertedArchived(StreamEvent),
    /// A change that events may have: they are archived, or a column is changed that may change.
    Permitted,
    /// An event is updated.
    Updated,
    /// An event is deleted.
    Deleted,
}

impl EventStorePlan {
    /// Compiles the plan of the table with `columns`.
    pub(crate) fn compile(
        columns: &[RelationColumn],
        rule: &EventStoreRule,
        around: &ColumnContext<'_>,
    ) -> Result<Self, MapError> {
        let chosen = rule.columns();
        let place = |name: &str| columns.iter().position(|column| column.name == name);
        let missing = |column: &str, problem| MapError::EventStoreColumn {
            table: around.table.clone(),
            column: column.to_owned(),
            problem,
        };
        let needed = |name: &str| place(name).ok_or_else(|| missing(name, "does not exist"));
        let optional = |choice: &Choice| match place(&choice.name) {
            None if choice.is_named => Err(missing(&choice.name, "does not exist")),
            found => Ok(found),
        };
        let several = |choices: &[Choice]| -> Result<Vec<usize>, MapError> {
            let places: Vec<Option<usize>> = choices.iter().map(optional).collect::<Result<_, _>>()?;
            Ok(places.into_iter().flatten().collect())
        };
        let data = columns.iter().find(|column| column.name == chosen.data);
        if data.is_some_and(|column| column.type_oid == LARGE_OBJECT) {
            return Err(missing(
                &chosen.data,
                "holds numbers of large objects, whose content is not in the WAL: store the payload as bytea, text or jsonb \
                 (Axon with Hibernate: PostgreSQLDialect with bytea for @Lob)",
            ));
        }
        let key_columns = &around.metadata.key_columns;
        let sequence = match &chosen.sequence {
            Some(choice) => optional(choice)?,
            None => None,
        };
        // Texts would be in the order of a collation, and the position at which reading resumes is an integer.
        if let Some(column) = sequence.and_then(|place| columns.get(place))
            && !is_integer(column.type_oid, around.metadata)
        {
            return Err(missing(
                &column.name,
                "is not an integer, by which the rows that exist could be read in order",
            ));
        }
        Ok(Self {
            stream: Part::compile_raw(columns, &chosen.stream_id, around)?,
            scope: several(&chosen.scope)?,
            version: needed(&chosen.version)?,
            event_type: needed(&chosen.event_type)?,
            unversioned_types: chosen.unversioned_types.clone(),
            sequence,
            archived: match &chosen.archived {
                Some(choice) => optional(choice)?,
                None => None,
            },
            archiving_moves: chosen
                .archived
                .as_ref()
                .is_some_and(|choice| key_columns.contains(&choice.name)),
            mutable: several(&chosen.mutable)?,
            rules: StreamRules {
                first_version: chosen.first_version,
                on_violation: rule.on_violation,
                streams_remembered: usize::try_from(rule.streams_remembered).unwrap_or(usize::MAX),
            },
        })
    }

    pub(crate) fn rules(&self) -> StreamRules {
        self.rules
    }

    /// What a change does to the store.
    pub(crate) fn change(&self, change: &RowChange<'_>) -> Result<StoreChange, RowError> {
        match *change {
            RowChange::Insert { new } => self.inserted(&Row::new(new, None)),
            RowChange::Update { old, new } => Ok(self.updated(old, &Row::new(new, old))),
            // The row that was moved is inserted next.
            RowChange::Delete { .. } if self.archiving_moves => Ok(StoreChange::Permitted),
            RowChange::Delete { .. } => Ok(StoreChange::Deleted),
        }
    }

    fn inserted(&self, row: &Row<'_>) -> Result<StoreChange, RowError> {
        if text(row, self.event_type).is_some_and(|found| self.is_unversioned(found)) {
            return Ok(StoreChange::AppendedUnversioned);
        }
        let event = self.event(row)?;
        Ok(match self.archiving_moves && self.is_archived(row) {
            true => StoreChange::InsertedArchived(event),
            false => StoreChange::Appended(event),
        })
    }

    /// The event that a row is.
    fn event(&self, row: &Row<'_>) -> Result<StreamEvent, RowError> {
        let stream = text(row, self.stream.place).ok_or(RowError::OutboxValue {
            place: self.stream.place,
            wanted: "the id of a stream",
        })?;
        let mut whole = Vec::with_capacity(stream.len());
        for place in &self.scope {
            match text(row, *place) {
                Some(value) => whole.extend_from_slice(value),
                None => whole.push(NULL),
            }
            whole.push(SEPARATOR);
        }
        whole.extend_from_slice(stream);
        let version = number(row, self.version).ok_or(RowError::OutboxValue {
            place: self.version,
            wanted: "the version of an event, which is an integer",
        })?;
        Ok(StreamEvent {
            stream: whole,
            version,
        })
    }

    fn is_unversioned(&self, event_type: &[u8]) -> bool {
        let mut types = self.unversioned_types.iter();
        types.any(|known| known.as_bytes() == event_type)
    }

    fn is_archived(&self, row: &Row<'_>) -> bool {
        self.archived.is_some_and(|place| text(row, place) == Some(b"t"))
    }

    fn updated(&self, old: Option<OldTuple<'_>>, after: &Row<'_>) -> StoreChange {
        let is_permitted = match old {
            Some(OldTuple::Full(_)) => self.changes_mutable_columns_only(old, after),
            // The replica identity has changed, and so has the event.
            Some(OldTuple::Key(_)) => false,
            // The WAL does not have the values before: the update may be of such a column only.
            None => self.is_archived(after) || !self.mutable.is_empty(),
        };
        match is_permitted {
            true => StoreChange::Permitted,
            false => StoreChange::Updated,
        }
    }

    fn changes_mutable_columns_only(&self, old: Option<OldTuple<'_>>, after: &Row<'_>) -> bool {
        let Some(before) = old.map(Row::old) else {
            return false;
        };
        let count = after.tuple().column_count();
        (0..count).all(|place| {
            self.archived == Some(place)
                || self.mutable.contains(&place)
                || before.at(place) == after.at(place)
        })
    }

    /// Whether the rows that exist can be read in order.
    pub(crate) fn has_sequence(&self) -> bool {
        self.sequence.is_some()
    }

    /// Number by which a row that exists is read in order.
    pub(crate) fn sequence(&self, row: &Row<'_>) -> Option<i64> {
        number(row, self.sequence?)
    }

    /// The stream id as it is sent, of a row that has it.
    pub(crate) fn shown_stream(&self, change: &RowChange<'_>, scratch: &mut Scratch) -> Option<String> {
        let row = match *change {
            RowChange::Insert { new } => Row::new(new, None),
            RowChange::Update { old, new } => Row::new(new, old),
            RowChange::Delete { old } => Row::old(old),
        };
        text(&row, self.stream.place)?;
        let mut shown = Vec::new();
        self.stream.put::<Raw>(&row, scratch, &mut shown).ok()?;
        String::from_utf8(shown).ok()
    }

    /// The version of an updated or deleted event, if the WAL has it.
    pub(crate) fn shown_version(&self, change: &RowChange<'_>) -> Option<i64> {
        let row = match *change {
            RowChange::Insert { new } => Row::new(new, None),
            RowChange::Update { old, new } => Row::new(new, old),
            RowChange::Delete { old } => Row::old(old),
        };
        number(&row, self.version)
    }
}

/// Whether a type is an integer, or a domain over one.
fn is_integer(type_oid: Oid, metadata: &TableMetadata) -> bool {
    match metadata.types.get(&type_oid).map(|known| &known.kind) {
        Some(TypeKind::Domain { base, .. }) => is_integer(*base, metadata),
        _ => INTEGERS.contains(&type_oid),
    }
}

fn text<'a>(row: &Row<'a>, place: usize) -> Option<&'a [u8]> {
    match row.at(place) {
        Some(Column::Text(text)) => Some(text),
        Some(Column::Null | Column::UnchangedToast | Column::Binary(_)) | None => None,
    }
}

fn number(row: &Row<'_>, place: usize) -> Option<i64> {
    std::str::from_utf8(text(row, place)?).ok()?.parse().ok()
}
