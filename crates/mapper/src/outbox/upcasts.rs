//! Upcasts of the events of an event store: their rows in the current schema version, from which records are made.

use std::collections::HashMap;

use walcast_pgoutput::{Column, RelationColumn, encode};

use super::part::{Part, wrong};
use crate::column::ColumnContext;
use crate::config::{EventStoreRule, OnViolation, UpcastAt};
use crate::connect::Kind;
use crate::error::MapError;
use crate::row::{Row, RowError};
use crate::upcast::{Chain, Object, Path, UpcastFault};

/// Upcasters of an event store.
#[derive(Debug)]
pub(crate) struct Upcasts {
    event_type: usize,
    payload: usize,
    version: VersionPlace,
    /// Version of an event without one.
    first_version: Option<String>,
    /// Chains of upcasters by the text of their types.
    chains: HashMap<Vec<u8>, Chain>,
    /// Whether an event that is not upcast is sent as it is stored.
    sends_stored: bool,
    /// Reason why the latest event was not upcast.
    failed: Option<Box<UpcastFault>>,
}

/// Place of the version of the payload's schema.
#[derive(Debug)]
enum VersionPlace {
    Column(usize),
    Member(Path),
}

const MISSING: &str = "does not exist, but upcasters need the schema version of each event: name its column in schema_version, or its \
                       member of the payload in schema_version_member";

impl Upcasts {
    /// Compiles the upcasters of the table with `columns`; `None` if events are sent as they are stored.
    pub(super) fn compile(
        columns: &[RelationColumn],
        rule: &EventStoreRule,
        around: &ColumnContext<'_>,
    ) -> Result<Option<Box<Self>>, MapError> {
        if rule.chains().is_empty() || rule.upcast == UpcastAt::Readers {
            return Ok(None);
        }
        let chosen = rule.columns();
        let place = |name: &str, problem| {
            let place = columns.iter().position(|column| column.name == name);
            place.ok_or_else(|| wrong(around, name, problem))
        };
        let payload = Part::compile_raw(columns, &chosen.data, around)?;
        if payload.field().slot.schema.kind != Kind::String {
            return Err(wrong(
                around,
                &chosen.data,
                "is upcast, and is neither text nor JSON: set upcast = \"readers\", which sends it as it is stored",
            ));
        }
        let version = match rule.version_member() {
            Some(path) => VersionPlace::Member(path.clone()),
            None => {
                let named = chosen.schema_version.as_ref().map(|choice| choice.name.as_str());
                VersionPlace::Column(place(named.unwrap_or("schema_version"), MISSING)?)
            }
        };
        let chains = rule.chains().iter();
        Ok(Some(Box::new(Self {
            event_type: place(&chosen.event_type, "does not exist")?,
            payload: payload.place,
            version,
            first_version: rule.first_schema_version.as_ref().map(ToString::to_string),
            chains: chains
                .map(|(event_type, chain)| (event_type.clone().into_bytes(), chain.clone()))
                .collect(),
            sends_stored: rule.on_violation == OnViolation::Warn,
            failed: None,
        })))
    }

    /// The row of an event in the current version; `None` if the event is sent as it is stored.
    pub(crate) fn row(&mut self, row: &Row<'_>) -> Result<Option<Vec<u8>>, RowError> {
        self.failed = None;
        let Some(event_type) = text(row, self.event_type) else {
            return Ok(None);
        };
        let Some(chain) = self.chains.get(event_type) else {
            return Ok(None);
        };
        let mut known_version = None;
        match self.upcast(row, chain, &mut known_version) {
            Ok(upcast) => Ok(upcast),
            Err(problem) => {
                let fault = Box::new(UpcastFault {
                    event_type: String::from_utf8_lossy(event_type).into_owned(),
                    version: known_version,
                    problem,
                });
                if !self.sends_stored {
                    return Err(RowError::Upcast(fault));
                }
                self.failed = Some(fault);
                Ok(None)
            }
        }
    }

    /// Reason why the latest event was sent as it is stored.
    pub(crate) fn take_failed(&mut self) -> Option<Box<UpcastFault>> {
        self.failed.take()
    }

    fn upcast(
        &self,
        row: &Row<'_>,
        chain: &Chain,
        known_version: &mut Option<String>,
    ) -> Result<Option<Vec<u8>>, String> {
        let json = text(row, self.payload).and_then(|payload| std::str::from_utf8(payload).ok());
        let payload = || -> Result<Object, String> {
            Object::parse(json.unwrap_or_default()).map_err(|problem| format!("payload: {problem}"))
        };
        let mut parsed = None;
        let found = match &self.version {
            VersionPlace::Column(place) => {
                let version = text(row, *place).map(|version| String::from_utf8_lossy(version).into_owned());
                version.map(|version| (version, false))
            }
            VersionPlace::Member(path) => {
                let object = parsed.insert(payload()?);
                object.version_at(path)?
            }
        };
        let first = || self.first_version.clone().map(|version| (version, true));
        let Some((version, is_number)) = found.or_else(first) else {
            return Err("it has no schema version, and first_schema_version is not set".to_owned());
        };
        *known_version = Some(version.clone());
        if version == chain.current {
            return Ok(None);
        }
        let mut payload = match parsed {
            Some(parsed) => parsed,
            None => payload()?,
        };
        chain.apply(&version, &mut payload)?;
        if let VersionPlace::Member(path) = &self.version {
            payload.set_version(path, &chain.current, is_number)?;
        }
        let upcast = payload.to_json().map_err(|error| error.to_string())?;
        let columns: Vec<Column<'_>> = row.tuple().columns().collect();
        let columns = columns
            .into_iter()
            .enumerate()
            .map(|(place, column)| match &self.version {
                _ if place == self.payload => Column::Text(upcast.as_bytes()),
                VersionPlace::Column(version) if place == *version => Column::Text(chain.current.as_bytes()),
                VersionPlace::Column(_) | VersionPlace::Member(_) => column,
            });
        Ok(Some(encode::tuple(&columns.collect::<Vec<_>>())))
    }
}

fn text<'a>(row: &Row<'a>, place: usize) -> Option<&'a [u8]> {
    match row.at(place) {
        Some(Column::Text(text)) => Some(text),
        Some(Column::Null | Column::UnchangedToast | Column::Binary(_)) | None => None,
    }
}
