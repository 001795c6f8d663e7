//! Finding about the position: whether a start begins or resumes without losing or duplicating changes.

use walcast_delivery::{
    CheckpointLog, CheckpointState, DeliveryError, Halt, SlotState, SourceState, first_position,
    publication_findings, resume_position, topic_with_records,
};
use walcast_kafka::KafkaTopics;

use super::finding::Finding;
use crate::config::Config;
use crate::remedy::describe;

pub(super) async fn position(config: &Config, source_state: &SourceState, log: &CheckpointLog) -> Finding {
    let slot = &config.postgres.slot;
    if let Some(creator) = source_state.slot.as_ref().and_then(SlotState::creator) {
        let detail =
            format!("slot {slot} is being created by {creator}: a start waits until the creation has ended");
        return finding(true, detail);
    }
    let found = match (&log.current, &source_state.slot) {
        (None, None) => Ok("the first start streams the transactions that commit after it".to_owned()),
        (Some(current), None) if current.state == CheckpointState::CreatingSlot => {
            Ok("the first start was interrupted and will be repeated".to_owned())
        }
        (Some(current), _) => resume_position(source_state, current, slot).and_then(|from| {
            // The publication is created only at the first start: changes written without it have been missed.
            let findings = publication_findings(source_state, &config.postgres.publication).into_iter();
            let mut missing = findings.filter(|finding| matches!(finding, Halt::PublicationMissing { .. }));
            missing
                .next()
                .map_or_else(|| Ok(format!("a start resumes at {from}")), Err)
        }),
        (None, Some(slot)) => return on_existing_slot(config, source_state, slot).await,
    };
    match found {
        Ok(found) => finding(true, found),
        Err(halt) => finding(false, describe(&halt)),
    }
}

/// A slot without a checkpoint. While another program streams from it, a migration is being prepared: a warning.
async fn on_existing_slot(config: &Config, source_state: &SourceState, slot: &SlotState) -> Finding {
    let begins_at = match first_position(source_state, slot, &config.postgres.publication) {
        Ok(begins_at) => begins_at,
        Err(halt @ Halt::SlotInUse { .. }) => {
            return Finding {
                warning: true,
                ..finding(true, describe(&halt))
            };
        }
        Err(halt) => return finding(false, describe(&halt)),
    };
    match records(config, source_state).await {
        Ok(None) => finding(
            true,
            format!(
                "the first start streams the transactions that committed after {begins_at}, the position of slot {}",
                slot.name
            ),
        ),
        Ok(Some(topic)) => finding(
            false,
            describe(&Halt::SlotWithoutCheckpoint {
                slot: slot.name.clone(),
                confirmed: begins_at,
                topic,
            }),
        ),
        // Another finding contains the reason.
        Err(error) => finding(false, describe(&error)),
    }
}

async fn records(config: &Config, source_state: &SourceState) -> Result<Option<String>, DeliveryError> {
    let topics = KafkaTopics::new(config.kafka.clone());
    let mut topics = topics.map_err(|error| DeliveryError::Sink(error.into()))?;
    topic_with_records(&mut topics, &config.mapper, source_state).await
}

fn finding(ok: bool, detail: String) -> Finding {
    Finding {
        name: "position".to_owned(),
        ok,
        warning: false,
        detail,
    }
}
