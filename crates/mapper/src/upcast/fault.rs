//! Reasons why an event is not upcast.

/// Reason why an event is not upcast. It contains no value of the payload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of type {event_type:?}{} is not upcast: {problem}", of_version(version.as_deref()))]
pub struct UpcastFault {
    /// Type of the event.
    pub event_type: String,
    /// Version of its schema, if it has a usable one.
    pub version: Option<String>,
    /// What is wrong with the event.
    pub problem: String,
}

fn of_version(version: Option<&str>) -> String {
    version.map_or_else(String::new, |version| format!(" with schema version {version:?}"))
}
