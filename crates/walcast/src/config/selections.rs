//! Patterns of the configuration that are compared with the database, with their positions in the file.

use walcast_delivery::DeadLetterRule;
use walcast_mapper::config::Route;
use walcast_mapper::pattern::{ColumnPattern, TablePattern};
use walcast_mapper::{MapperConfig, MessageOutbox, TableName};

use super::document::Document;
use super::error::Place;
use super::raw::RawConfig;

/// Pattern, or name of a type, that is expected to match something in the database.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    pub(crate) place: Place,
    /// The key, with its table.
    pub(crate) key: &'static str,
    pub(crate) choice: Choice,
    /// Whether it withholds data, which are sent if it matches nothing.
    pub(crate) withholds: bool,
}

/// What a selection selects.
#[derive(Clone, Debug)]
pub(crate) enum Choice {
    Tables(TablePattern),
    Columns(ColumnPattern),
    /// Columns by their types: `schema.table.type`.
    DataTypes(ColumnPattern),
    /// A type by its name.
    Type(String),
    /// Topics that a route redirects.
    Topics(Box<Route>),
}

/// All selections of a configuration. `exclude`: the parsed patterns of `[postgres] exclude`.
pub(super) fn of(
    document: &Document<'_>,
    raw: &RawConfig,
    mapper: &MapperConfig,
    exclude: &[TablePattern],
) -> Vec<Selection> {
    let mut list = List {
        document,
        selections: Vec::new(),
    };
    for (index, pattern) in exclude.iter().enumerate() {
        let place = format!("postgres.exclude[{index}]");
        list.add(place, "postgres.exclude", Choice::Tables(pattern.clone()), true);
    }
    list.columns(mapper);
    for (index, pattern) in raw.snapshot.tables.iter().enumerate() {
        let place = format!("snapshot.tables[{index}]");
        list.add(place, "snapshot.tables", Choice::Tables(pattern.clone()), false);
    }
    for (index, filter) in raw.snapshot.filters.iter().enumerate() {
        let place = format!("snapshot.filters[{index}].tables");
        let choice = Choice::Tables(filter.tables.clone());
        list.add(place, "snapshot.filters.tables", choice, false);
    }
    for (index, rule) in mapper.keys.iter().enumerate() {
        let place = format!("keys[{index}].tables");
        list.add(place, "keys.tables", Choice::Tables(rule.tables.clone()), false);
    }
    for (index, rule) in mapper.outboxes.iter().enumerate() {
        if let Some(tables) = &rule.tables {
            let place = format!("outbox[{index}].tables");
            list.add(place, "outbox.tables", Choice::Tables(tables.clone()), false);
        }
    }
    for (index, rule) in mapper.event_stores.iter().enumerate() {
        let place = format!("event_store[{index}].tables");
        let choice = Choice::Tables(rule.selected().clone());
        list.add(place, "event_store.tables", choice, false);
    }
    for (index, DeadLetterRule { tables, .. }) in raw.dead_letters.rules.iter().enumerate() {
        let place = format!("dead_letters.rules[{index}].tables");
        list.add(
            place,
            "dead_letters.rules.tables",
            Choice::Tables(tables.clone()),
            false,
        );
    }
    for (index, name) in mapper.types.as_text.iter().enumerate() {
        let place = format!("types.as_text[{index}]");
        list.add(place, "types.as_text", Choice::Type(name.clone()), false);
    }
    for (index, route) in mapper.names.routes.iter().enumerate() {
        let place = format!("names.routes[{index}].pattern");
        let choice = Choice::Topics(Box::new(route.clone()));
        list.add(place, "names.routes.pattern", choice, false);
    }
    let messages = MessageOutbox::all(mapper);
    let mut selections = list.selections;
    selections.retain(|selection| !selects_messages(&selection.choice, &messages));
    selections
}

/// Whether a pattern matches an outbox of messages, which stands for a table that the database does not have.
fn selects_messages(choice: &Choice, outboxes: &[MessageOutbox]) -> bool {
    let mut relations = outboxes.iter().map(MessageOutbox::relation);
    match choice {
        Choice::Tables(pattern) => relations.any(|relation| pattern.matches(&TableName::from(relation))),
        Choice::Columns(pattern) => relations.any(|relation| {
            let table = TableName::from(relation);
            let mut columns = relation.columns.iter();
            columns.any(|column| pattern.matches(&table, &column.name))
        }),
        Choice::DataTypes(_) | Choice::Type(_) | Choice::Topics(_) => false,
    }
}

struct List<'d> {
    document: &'d Document<'d>,
    selections: Vec<Selection>,
}

impl List<'_> {
    fn add(&mut self, place: String, key: &'static str, choice: Choice, withholds: bool) {
        self.selections.push(Selection {
            place: self.document.place_of(&place),
            key,
            choice,
            withholds,
        });
    }

    /// Selections of `[columns]`.
    fn columns(&mut self, mapper: &MapperConfig) {
        let columns = &mapper.columns;
        for (key, patterns, withholds) in [
            ("columns.include", &columns.include, false),
            ("columns.exclude", &columns.exclude, true),
            ("columns.propagate_types", &columns.propagate_types, false),
        ] {
            for (index, pattern) in patterns.iter().enumerate() {
                let choice = Choice::Columns(pattern.clone());
                self.add(format!("{key}[{index}]"), key, choice, withholds);
            }
        }
        for (index, pattern) in columns.propagate_data_types.iter().enumerate() {
            let place = format!("columns.propagate_data_types[{index}]");
            let choice = Choice::DataTypes(pattern.clone());
            self.add(place, "columns.propagate_data_types", choice, false);
        }
        let mask = columns.mask.iter().map(|rule| &rule.columns);
        self.rules("columns.mask", "columns.mask.columns", mask, true);
        let truncate = columns.truncate.iter().map(|rule| &rule.columns);
        self.rules("columns.truncate", "columns.truncate.columns", truncate, false);
        let hash = columns.hash.iter().map(|rule| &rule.columns);
        self.rules("columns.hash", "columns.hash.columns", hash, true);
    }

    /// Selections of an array of tables.
    fn rules<'r>(
        &mut self,
        table: &str,
        key: &'static str,
        rules: impl Iterator<Item = &'r Vec<ColumnPattern>>,
        withholds: bool,
    ) {
        for (rule, patterns) in rules.enumerate() {
            for (index, pattern) in patterns.iter().enumerate() {
                let place = format!("{table}[{rule}].columns[{index}]");
                self.add(place, key, Choice::Columns(pattern.clone()), withholds);
            }
        }
    }
}
