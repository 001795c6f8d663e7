//! Topics and brokers in the metadata of a cluster, whose texts may be any bytes.
//!
//! The client library panics on names that are not UTF-8.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rdkafka::metadata::{Metadata, MetadataBroker, MetadataTopic};
use rdkafka::types::RDKafkaErrorCode;

/// Topic of metadata that were requested for one topic; `None` when the response has none. The name is not looked at.
///
/// # Errors
/// The response has several topics.
pub(crate) fn only_topic(metadata: &Metadata) -> Result<Option<&MetadataTopic>, RDKafkaErrorCode> {
    match metadata.topics() {
        [] => Ok(None),
        [topic] => Ok(Some(topic)),
        _ => Err(RDKafkaErrorCode::BadMessage),
    }
}

/// Address of a broker as `host:port`.
///
/// # Errors
/// The host is not UTF-8.
pub(crate) fn address(broker: &MetadataBroker) -> Result<String, RDKafkaErrorCode> {
    let host = catch_unwind(AssertUnwindSafe(|| broker.host().to_owned()));
    let host = host.map_err(|_panicked| RDKafkaErrorCode::BadMessage)?;
    Ok(format!("{host}:{}", broker.port()))
}
