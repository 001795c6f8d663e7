//! Tables of event-store libraries.

use serde::{Deserialize, Serialize};

use crate::pattern::TablePattern;

/// Library whose table an event store is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventStorePreset {
    /// None: a table with the columns `stream_id`, `version`, `type`, `id` and `data`.
    #[default]
    Plain,
    /// `mt_events` of Marten.
    Marten,
    /// `emt_messages` of Emmett.
    Emmett,
    /// `message_store.messages` of message-db.
    MessageDb,
    /// `domain_event_entry` of Axon Framework 4 with JPA, under the names that Spring Boot gives.
    Axon,
}

/// Names of a library's table and columns.
pub(super) struct Layout {
    pub(super) stream_id: &'static str,
    pub(super) scope: &'static [&'static str],
    pub(super) version: &'static str,
    pub(super) first_version: i64,
    pub(super) sequence: Option<&'static str>,
    pub(super) event_type: &'static str,
    pub(super) unversioned_types: &'static [&'static str],
    pub(super) id: &'static str,
    pub(super) data: &'static str,
    pub(super) schema_version: Option<&'static str>,
    pub(super) created: Option<&'static str>,
    pub(super) category: Option<&'static str>,
    pub(super) metadata: &'static [&'static str],
    pub(super) archived: Option<&'static str>,
    pub(super) mutable: &'static [&'static str],
}

/// The columns that most stores have, under the names that an application would choose.
const PLAIN: Layout = Layout {
    stream_id: "stream_id",
    scope: &[],
    version: "version",
    first_version: 1,
    sequence: None,
    event_type: "type",
    unversioned_types: &[],
    id: "id",
    data: "data",
    schema_version: Some("schema_version"),
    created: Some("created"),
    category: None,
    metadata: &["metadata"],
    archived: None,
    mutable: &[],
};

/// See <https://github.com/JasperFx/marten/blob/master/src/Marten/Events/Schema/EventsTable.cs>.
const MARTEN: Layout = Layout {
    scope: &["tenant_id"],
    sequence: Some("seq_id"),
    // Events that fill numbers of `seq_id` after an append has failed; their versions are of the streams that were not written.
    unversioned_types: &["tombstone"],
    schema_version: None,
    created: Some("timestamp"),
    metadata: &[
        "tenant_id",
        "mt_dotnet_type",
        "correlation_id",
        "causation_id",
        "headers",
        "user_name",
    ],
    archived: Some("is_archived"),
    mutable: &["is_skipped", "tags"],
    ..PLAIN
};

/// See <https://github.com/event-driven-io/emmett/blob/main/src/packages/emmett-postgresql/src/eventStore/schema/tables.ts>.
const EMMETT: Layout = Layout {
    scope: &["partition"],
    version: "stream_position",
    sequence: Some("global_position"),
    event_type: "message_type",
    id: "message_id",
    data: "message_data",
    schema_version: Some("message_schema_version"),
    created: Some("created"),
    metadata: &["message_metadata", "message_kind", "partition"],
    archived: Some("is_archived"),
    ..PLAIN
};

/// See <https://github.com/message-db/message-db/blob/master/database/tables/messages.sql>.
const MESSAGE_DB: Layout = Layout {
    stream_id: "stream_name",
    version: "position",
    first_version: 0,
    sequence: Some("global_position"),
    schema_version: None,
    created: Some("time"),
    ..PLAIN
};

/// See <https://github.com/AxonFramework/AxonFramework/blob/axon-4.13.0/messaging/src/main/java/org/axonframework/eventhandling/AbstractEventEntry.java>.
const AXON: Layout = Layout {
    stream_id: "aggregate_identifier",
    version: "sequence_number",
    first_version: 0,
    sequence: Some("global_index"),
    event_type: "payload_type",
    id: "event_identifier",
    data: "payload",
    schema_version: Some("payload_revision"),
    created: Some("time_stamp"),
    category: Some("type"),
    metadata: &["meta_data"],
    ..PLAIN
};

impl EventStorePreset {
    /// Tables of the library, in any schema; `None` if they have no known name.
    pub(super) fn tables(self) -> Option<TablePattern> {
        let pattern = match self {
            Self::Plain => return None,
            Self::Marten => "*.mt_events",
            Self::Emmett => "*.emt_messages",
            Self::MessageDb => "message_store.messages",
            Self::Axon => "*.domain_event_entry",
        };
        pattern.parse().ok()
    }

    pub(super) fn layout(self) -> &'static Layout {
        match self {
            Self::Plain => &PLAIN,
            Self::Marten => &MARTEN,
            Self::Emmett => &EMMETT,
            Self::MessageDb => &MESSAGE_DB,
            Self::Axon => &AXON,
        }
    }

    /// Whether the library takes the part of a stream id before its first hyphen for the category of the stream.
    pub(super) fn has_category_in_stream(self) -> bool {
        match self {
            Self::Emmett | Self::MessageDb => true,
            Self::Plain | Self::Marten | Self::Axon => false,
        }
    }
}
