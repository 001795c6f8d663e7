//! Calls out of order, which librdkafka rejects by itself: no broker listens.

use walcast_delivery::PortError;

use super::*;

fn session() -> ProducerSession {
    let config = Arc::new(KafkaConfig::unreachable());
    let topic = config.checkpoint_topic();
    ProducerSession::new(&config, topic, &Arc::default()).unwrap()
}

#[test]
fn a_transaction_before_the_fencing_of_earlier_instances_fails() {
    let error = session().write(&RecordBuffer::new(), &|| false).unwrap_err();
    assert!(
        matches!(
            error,
            KafkaError::Failed {
                doing: "beginning a transaction",
                ..
            }
        ),
        "{error}"
    );
    assert!(error.is_retryable());
}

#[test]
fn a_record_outside_of_a_transaction_is_not_written() {
    let record = BaseRecord::<[u8], [u8]>::to("shop.public.items").payload(b"a row");
    let error = session().send(record, &|| false).unwrap_err();
    assert!(
        matches!(
            error,
            KafkaError::MustAbort {
                doing: "writing records",
                ..
            }
        ),
        "{error}"
    );
    assert!(error.is_retryable());
}
