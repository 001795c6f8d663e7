//! An input taken apart. Bytes that are not there are zeros, so that every input means something.

use walcast_mapper::{ColumnMetadata, TableMetadata};
use walcast_pgoutput::{Column, Oid, Relation, RelationColumn, ReplicaIdentity};

use super::types;

/// More columns find nothing more, and cost time.
const COLUMNS_MAX: usize = 5;

/// What a column's second byte says of it.
pub mod flag {
    /// The value is null.
    pub const NULL: u8 = 1;
    /// The value is unchanged, and was not sent.
    pub const UNCHANGED: u8 = 2;
    /// The column is part of the replica identity and the primary key.
    pub const KEY: u8 = 4;
    /// The catalog says that it cannot be null.
    pub const NOT_NULL: u8 = 8;
    /// It has a default, whose text stands before the value's.
    pub const DEFAULT: u8 = 16;
    /// The value is all that is left of the input, zeros included.
    pub const REST: u8 = 32;
    /// How far its name is shifted to the left.
    pub const NAME_SHIFT: u8 = 6;
}

/// Names of columns: one is no word of Avro, one is none in ASCII, and one can meet another.
const NAMES: [&str; 4] = ["c", "a b-", "Größe", "a_b_"];

/// Bytes that are read from the left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input<'a> {
    rest: &'a [u8],
}

/// A column as the input describes it.
#[derive(Clone, Debug)]
pub(super) struct InputColumn<'a> {
    name: String,
    type_oid: Oid,
    type_modifier: i32,
    flags: u8,
    default_expression: Option<String>,
    text: &'a [u8],
}

impl<'a> Input<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { rest: data }
    }

    pub(super) fn byte(&mut self) -> u8 {
        let Some((byte, rest)) = self.rest.split_first() else {
            return 0;
        };
        self.rest = rest;
        *byte
    }

    /// One of `choices`, by a byte.
    pub(super) fn one_of<T: Copy, const N: usize>(&mut self, choices: [T; N]) -> T {
        choices[usize::from(self.byte()) % N]
    }

    fn i32(&mut self) -> i32 {
        i32::from_be_bytes([self.byte(), self.byte(), self.byte(), self.byte()])
    }

    /// Everything up to the next zero.
    fn text(&mut self) -> &'a [u8] {
        let end = self.rest.iter().position(|byte| *byte == 0);
        let (text, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest.strip_prefix(&[0]).unwrap_or_default();
        text
    }

    fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// All columns that are left; one at least.
    pub(super) fn columns(&mut self) -> Vec<InputColumn<'a>> {
        let mut columns = vec![self.column(0)];
        while !self.rest.is_empty() && columns.len() < COLUMNS_MAX {
            columns.push(self.column(columns.len()));
        }
        columns
    }

    fn column(&mut self, place: usize) -> InputColumn<'a> {
        let type_oid = types::ALL[usize::from(self.byte()) % types::ALL.len()];
        let flags = self.byte();
        let type_modifier = self.i32();
        let name = NAMES[usize::from(flags >> flag::NAME_SHIFT)];
        let default_expression =
            (flags & flag::DEFAULT != 0).then(|| String::from_utf8_lossy(self.text()).into_owned());
        InputColumn {
            name: format!("{name}{place}"),
            type_oid: Oid::new(type_oid),
            type_modifier,
            flags,
            default_expression,
            text: if flags & flag::REST != 0 {
                self.rest()
            } else {
                self.text()
            },
        }
    }
}

impl<'a> InputColumn<'a> {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn is_key(&self) -> bool {
        self.flags & flag::KEY != 0
    }

    /// The value of the changed row in the WAL.
    pub(super) fn value(&self) -> Column<'a> {
        if self.flags & flag::UNCHANGED != 0 {
            Column::UnchangedToast
        } else {
            self.old_value()
        }
    }

    /// The value before the change.
    pub(super) fn old_value(&self) -> Column<'a> {
        if self.flags & flag::NULL != 0 {
            Column::Null
        } else {
            Column::Text(self.text)
        }
    }

    /// The value before the change, where the WAL has only the key.
    pub(super) fn key_value(&self) -> Column<'a> {
        if self.is_key() {
            self.old_value()
        } else {
            Column::Null
        }
    }
}

/// The description of the table in the WAL.
pub(super) fn relation(columns: &[InputColumn<'_>], replica_identity: ReplicaIdentity) -> Relation {
    let column = |column: &InputColumn<'_>| RelationColumn {
        is_key: column.is_key(),
        name: column.name.clone(),
        type_oid: column.type_oid,
        type_modifier: column.type_modifier,
    };
    Relation {
        xid: None,
        oid: Oid::new(16_384),
        namespace: "public".to_owned(),
        name: "t".to_owned(),
        replica_identity,
        columns: columns.iter().map(column).collect(),
    }
}

/// What the catalog says of it.
pub(super) fn facts(columns: &[InputColumn<'_>]) -> TableMetadata {
    let column = |column: &InputColumn<'_>| ColumnMetadata {
        name: column.name.clone(),
        type_oid: column.type_oid,
        type_modifier: column.type_modifier,
        not_null: column.flags & flag::NOT_NULL != 0,
        default_expression: column.default_expression.clone(),
        generated: false,
    };
    let keys = columns.iter().filter(|column| column.is_key());
    TableMetadata {
        columns: columns.iter().map(column).collect(),
        key_columns: keys.map(|column| column.name.clone()).collect(),
        types: types::facts(),
        ..TableMetadata::default()
    }
}
