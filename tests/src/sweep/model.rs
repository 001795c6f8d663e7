//! Model of the application's database: what the generator knows of tables and types, so that most of its statements succeed.

/// Schema whose tables are captured.
pub(super) const CAPTURED: &str = "public";
/// Schema whose tables are not.
pub(super) const OTHER: &str = "staging";

/// The database.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) tables: Vec<Table>,
    pub(super) types: Vec<OwnType>,
    ids: i64,
    names: u32,
}

/// A table. Each has a column `id`, whose values are unique in the whole database, and which is never dropped or renamed.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) schema: &'static str,
    pub(super) name: String,
    /// Columns beside `id` and `part`.
    pub(super) columns: Vec<Column>,
    pub(super) key: Key,
    pub(super) is_logged: bool,
    pub(super) rows: Vec<Place>,
    /// Whether the table has the column `part`: it is partitioned by it, is a partition, or was made to become one.
    pub(super) has_part: bool,
    /// The value of `part` of its rows, where it is not partitioned.
    pub(super) part: i64,
    /// Partitions, where the table is partitioned.
    pub(super) partitions: Option<Vec<Partition>>,
}

/// A row: its id, and its value of `part`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) id: i64,
    pub(super) part: i64,
}

/// A partition, which holds the rows with one value of `part`.
#[derive(Clone, Debug)]
pub(super) struct Partition {
    pub(super) name: String,
    pub(super) part: i64,
}

/// A column.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) is_nullable: bool,
}

/// The key of a table.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Key {
    /// A primary key, with the name of its constraint.
    Primary(String),
    /// None.
    Absent,
}

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Int,
    BigInt,
    Text,
    Boolean,
    /// `numeric(12,2)`.
    Price,
    /// `numeric`.
    Number,
    Ints,
    Texts,
    /// A type of the application, by its place in [`Model::types`].
    Own(usize),
    /// An array of such a type.
    Owns(usize),
}

/// A type of the application.
#[derive(Clone, Debug)]
pub(super) struct OwnType {
    pub(super) name: String,
    /// Labels of an enum; `None` for a domain over `numeric(12,2)`.
    pub(super) labels: Option<Vec<String>>,
    pub(super) is_dropped: bool,
}

impl Model {
    /// An id that no row had.
    pub(super) fn new_id(&mut self) -> i64 {
        self.ids += 1;
        self.ids
    }

    /// A name that nothing had.
    pub(super) fn new_name(&mut self, prefix: &str) -> String {
        self.names += 1;
        format!("{prefix}{}", self.names)
    }

    /// Takes over how many ids and names were used.
    pub(super) fn keep_counters(&mut self, other: &Model) {
        self.ids = other.ids;
        self.names = other.names;
    }

    /// The name of a type in SQL.
    pub(super) fn sql(&self, kind: Kind) -> String {
        match kind {
            Kind::Int => "int".to_owned(),
            Kind::BigInt => "bigint".to_owned(),
            Kind::Text => "text".to_owned(),
            Kind::Boolean => "boolean".to_owned(),
            Kind::Price => "numeric(12,2)".to_owned(),
            Kind::Number => "numeric".to_owned(),
            Kind::Ints => "int[]".to_owned(),
            Kind::Texts => "text[]".to_owned(),
            Kind::Own(place) => format!("public.{}", self.types[place].name),
            Kind::Owns(place) => format!("public.{}[]", self.types[place].name),
        }
    }

    /// Tables with a column of this type of the application.
    pub(super) fn tables_with(&self, own: usize) -> impl Iterator<Item = &Table> {
        self.tables.iter().filter(move |table| {
            let mut kinds = table.columns.iter().map(|column| column.kind);
            kinds.any(|kind| kind == Kind::Own(own) || kind == Kind::Owns(own))
        })
    }
}

impl Table {
    /// The name with its schema.
    pub(super) fn full(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// Whether rows can be inserted: a partitioned table needs a partition.
    pub(super) fn takes_rows(&self) -> bool {
        self.partitions.as_ref().is_none_or(|parts| !parts.is_empty())
    }

    pub(super) fn is_partitioned(&self) -> bool {
        self.partitions.is_some()
    }
}
