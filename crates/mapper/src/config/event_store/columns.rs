//! Columns of an event store: those that the configuration names, else those of the preset.

use super::text::EventStoreText;
use crate::config::outbox_field::{AdditionalField, Placement};

/// Columns of an event store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoreColumns {
    pub(crate) stream_id: String,
    pub(crate) scope: Vec<Choice>,
    pub(crate) version: String,
    pub(crate) first_version: i64,
    pub(crate) sequence: Option<Choice>,
    pub(crate) event_type: String,
    pub(crate) unversioned_types: Vec<String>,
    pub(crate) id: String,
    pub(crate) data: String,
    pub(crate) schema_version: Option<Choice>,
    created: Option<Choice>,
    pub(super) category: Option<Choice>,
    metadata: Vec<Choice>,
    pub(crate) archived: Option<Choice>,
    pub(crate) mutable: Vec<Choice>,
}

/// Column that a store may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) name: String,
    /// Whether the configuration names the column, so that the table must have it.
    pub(crate) is_named: bool,
}

/// The column that the configuration names, else the preset's; none if the name is empty.
fn one(named: Option<&String>, of_preset: Option<&'static str>) -> Option<Choice> {
    match named {
        Some(name) => (!name.is_empty()).then(|| Choice {
            name: name.clone(),
            is_named: true,
        }),
        None => of_preset.map(|name| Choice {
            name: name.to_owned(),
            is_named: false,
        }),
    }
}

/// The columns that the configuration names, else the preset's.
fn several(named: Option<&Vec<String>>, of_preset: &[&str]) -> Vec<Choice> {
    let choice = |name: &str, is_named| Choice {
        name: name.to_owned(),
        is_named,
    };
    match named {
        Some(names) => names.iter().map(|name| choice(name, true)).collect(),
        None => of_preset.iter().map(|name| choice(name, false)).collect(),
    }
}

impl StoreColumns {
    pub(super) fn of(text: &EventStoreText) -> Self {
        let layout = text.preset.layout();
        let needed = |named: &Option<String>, of_preset: &str| match named {
            Some(name) => name.clone(),
            None => of_preset.to_owned(),
        };
        let types = layout.unversioned_types.iter();
        Self {
            stream_id: needed(&text.stream_id, layout.stream_id),
            scope: several(text.scope.as_ref(), layout.scope),
            version: needed(&text.version, layout.version),
            first_version: text.first_version.unwrap_or(layout.first_version),
            sequence: one(text.sequence.as_ref(), layout.sequence),
            event_type: needed(&text.event_type, layout.event_type),
            unversioned_types: match &text.unversioned_types {
                Some(types) => types.clone(),
                None => types.map(|known| (*known).to_owned()).collect(),
            },
            id: needed(&text.id, layout.id),
            data: needed(&text.data, layout.data),
            schema_version: one(text.schema_version.as_ref(), layout.schema_version),
            created: one(text.created.as_ref(), layout.created),
            category: one(text.category.as_ref(), layout.category),
            metadata: several(text.metadata.as_ref(), layout.metadata),
            archived: one(text.archived.as_ref(), layout.archived),
            mutable: several(text.mutable.as_ref(), layout.mutable),
        }
    }

    /// Columns that are headers, in their order: those that the table has, or must have.
    pub(super) fn headers(&self, has: impl Fn(&str) -> bool) -> impl Iterator<Item = AdditionalField> {
        let header = |column: &str, name: Option<&str>| AdditionalField {
            column: column.to_owned(),
            placement: Placement::Header,
            alias: name.map(ToOwned::to_owned),
        };
        let needed = [
            header(&self.event_type, Some("type")),
            header(&self.version, Some("version")),
        ];
        let named = [
            (&self.schema_version, "schemaVersion"),
            (&self.created, "created"),
            (&self.category, "category"),
            (&self.archived, "archived"),
        ];
        let named = named.map(|(choice, name)| choice.as_ref().map(|choice| (choice, Some(name))));
        let metadata = self.metadata.iter().map(|choice| (choice, None));
        let optional: Vec<AdditionalField> = named
            .into_iter()
            .flatten()
            .chain(metadata)
            .filter(|(choice, _)| choice.is_named || has(&choice.name))
            .map(|(choice, name)| header(&choice.name, name))
            .collect();
        needed.into_iter().chain(optional)
    }
}
