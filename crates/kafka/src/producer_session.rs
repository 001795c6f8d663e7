//! One librdkafka producer, from its start to its first fatal error.
//!
//! Writing waits for space in a full queue. The wait is bounded by the clock and not by delivery reports: the producer asks
//! for reports of failures only, since a report for each record would cost more than everything else in this module.

mod copies;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError as ClientError, RDKafkaError};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::RDKafkaErrorCode;
use tracing::debug;
use walcast_delivery::Guarantee;
use walcast_mapper::RecordBuffer;

use crate::acknowledgement_wait::AcknowledgementWait;
use crate::checkpoint::CheckpointRecord;
use crate::clients;
use crate::config::KafkaConfig;
use crate::error::KafkaError;
use crate::error_class::{ErrorClass, is_retriable};
use crate::events::{Events, RecordFailure, identity};
use crate::explain::{Attempt, Explain};
use crate::in_flight_window::InFlightWindow;
use crate::record::to_kafka;
use crate::stall::{STALL_LIMIT, Stall};

/// Time limit of a single call to librdkafka, so that cancellation is noticed in time.
const CALL_LIMIT: Duration = Duration::from_secs(1);

/// Time limit of `init_transactions`, in which the coordinator ends earlier transactions.
const INIT_LIMIT: Duration = Duration::from_secs(30);

/// How long the response to a commit is awaited before the commit counts as in doubt.
const COMMIT_LIMIT: Duration = Duration::from_secs(30);

/// Time limit of an abort; the next start aborts as well.
const ABORT_LIMIT: Duration = Duration::from_secs(5);

/// Time limit of a single call to abort. The call waits until the failure of each purged record has been served, which happens
/// between the calls.
const ABORT_CALL_LIMIT: Duration = Duration::from_millis(100);

/// Pause before the next attempt to add a record to a full queue, in which 16 MB do not drain.
const FULL_QUEUE_PAUSE: Duration = Duration::from_millis(1);

/// Number of records after which failures are checked.
const RECORDS_PER_CHECK: usize = 1024;

/// How long the report of the record is awaited whose failure purged the others.
const CAUSE_LIMIT: Duration = Duration::from_secs(1);

/// Time limit of serving events.
const EVENTS_TIME: Duration = Duration::from_millis(1);

/// One librdkafka producer and its open transaction.
pub(crate) struct ProducerSession {
    producer: BaseProducer<Events>,
    events: Events,
    explain: Explain,
    config: Arc<KafkaConfig>,
    topic: String,
    window: InFlightWindow,
    waits: AcknowledgementWait,
    /// Time at which the open transaction began.
    begun: Option<Instant>,
}

/// Whether the caller no longer waits for the result of a blocking operation.
pub(crate) type IsCancelled<'a> = &'a dyn Fn() -> bool;

impl ProducerSession {
    /// Creates a producer, which connects in the background. `topic` takes the records of its commits.
    pub(crate) fn new(
        config: &Arc<KafkaConfig>,
        topic: String,
        authenticated_before: &Arc<AtomicBool>,
    ) -> Result<Self, KafkaError> {
        let events = Events::of_producer(clients::batch_bytes(&config.properties));
        let producer = clients::producer(config)
            .create_with_context(events.clone())
            .map_err(|error| KafkaError::ClientRejected {
                reason: config.properties.redact(&error.to_string()),
            })?;
        let explain = Explain::new(
            Arc::clone(config),
            events.clone(),
            Arc::clone(authenticated_before),
        );
        Ok(Self {
            producer,
            events,
            explain,
            config: Arc::clone(config),
            topic,
            window: InFlightWindow::new(config),
            waits: AcknowledgementWait::default(),
            begun: None,
        })
    }

    fn transactional(&self) -> bool {
        self.config.guarantee == Guarantee::ExactlyOnce
    }

    /// Fences earlier instances, and waits until their transactions have ended.
    pub(crate) fn fence_predecessors(&self, is_cancelled: IsCancelled<'_>) -> Result<(), KafkaError> {
        const DOING: &str = "fencing earlier instances";
        if !self.transactional() {
            return Ok(());
        }
        // Without a connection, librdkafka looks up the coordinator again only after half a second. What is wrong with a connection
        // is reported below.
        if let Err(error) = self
            .producer
            .client()
            .fetch_metadata(Some(&self.topic), CALL_LIMIT)
        {
            debug!(%error, "no metadata before the fencing");
        }
        let deadline = Instant::now() + INIT_LIMIT;
        loop {
            let error = match self.producer.init_transactions(CALL_LIMIT) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            self.serve_events();
            if let Some(error) = self.explain.authentication_failure() {
                return Err(error);
            }
            if is_cancelled() {
                return Err(KafkaError::Cancelled { doing: DOING });
            }
            if !is_retriable(&error) || Instant::now() >= deadline {
                return Err(self.explain.client(self.on_transactional_id(DOING), &error));
            }
        }
    }

    /// Passes every record to librdkafka.
    pub(crate) fn write(
        &mut self,
        batch: &RecordBuffer,
        is_cancelled: IsCancelled<'_>,
    ) -> Result<(), KafkaError> {
        self.begin()?;
        for (number, record) in batch.records().enumerate() {
            if number % RECORDS_PER_CHECK == 0 {
                self.producer.poll(Duration::ZERO);
                self.check_records()?;
            }
            // The clock is read for each record: one late record costs more than all of these reads.
            if !self.window.admits(&record, Instant::now()) {
                self.settle(is_cancelled)?;
                self.window.admits(&record, Instant::now());
            }
            self.send(to_kafka(&record), is_cancelled)?;
        }
        Ok(())
    }

    /// Makes the written records durable, together with the checkpoint.
    pub(crate) fn commit(
        &mut self,
        records: &[CheckpointRecord],
        is_cancelled: IsCancelled<'_>,
    ) -> Result<(), KafkaError> {
        if !self.transactional() {
            // The checkpoint must not become durable before the records that it covers.
            self.settle(is_cancelled)?;
        }
        self.begin()?;
        for record in records {
            let mut kafka = BaseRecord::<[u8], [u8]>::to(&self.topic)
                .partition(0)
                .key(record.key.as_bytes());
            kafka.payload = record.value.as_ref().map(String::as_bytes);
            self.send(kafka, is_cancelled)?;
        }
        self.settle(is_cancelled)?;
        if self.transactional() {
            self.commit_transaction(is_cancelled)?;
        }
        self.begun = None;
        Ok(())
    }

    fn begin(&mut self) -> Result<(), KafkaError> {
        if self.begun.is_none() {
            if self.transactional() {
                self.producer
                    .begin_transaction()
                    .map_err(|error| self.failed("beginning a transaction", &error))?;
            }
            self.begun = Some(Instant::now());
        }
        Ok(())
    }

    fn send(
        &self,
        mut record: BaseRecord<'_, [u8], [u8]>,
        is_cancelled: IsCancelled<'_>,
    ) -> Result<(), KafkaError> {
        let mut was_empty = false;
        let mut stall = Stall::new(self.producer.in_flight_count());
        loop {
            let (error, back) = match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err(rejected) => rejected,
            };
            record = back;
            let code = error
                .rdkafka_error_code()
                .unwrap_or(RDKafkaErrorCode::InvalidArgument);
            if code != RDKafkaErrorCode::QueueFull || was_empty {
                return Err(self.rejection(&record, code));
            }
            was_empty = self.producer.in_flight_count() == 0;
            self.producer.poll(Duration::ZERO);
            self.check_records()?;
            self.check_progress(&mut stall)?;
            if is_cancelled() {
                return Err(KafkaError::Cancelled {
                    doing: "writing records",
                });
            }
            thread::sleep(FULL_QUEUE_PAUSE);
        }
    }

    fn rejection(&self, record: &BaseRecord<'_, [u8], [u8]>, code: RDKafkaErrorCode) -> KafkaError {
        let bytes = record.key.map_or(0, <[u8]>::len) + record.payload.map_or(0, <[u8]>::len);
        let id = || identity(record.headers.as_ref());
        match code {
            // An empty queue without space for the record never accepts it.
            RDKafkaErrorCode::QueueFull => KafkaError::RecordTooLarge {
                topic: record.topic.to_owned(),
                bytes,
                id: id(),
            },
            RDKafkaErrorCode::Fatal | RDKafkaErrorCode::Fenced => self.after_fatal("writing records", code),
            // The transaction has failed meanwhile, and a record's failure says why.
            RDKafkaErrorCode::State => self.check_records().err().unwrap_or(KafkaError::MustAbort {
                doing: "writing records",
                reason: code.to_string(),
            }),
            _ => self.explain.record(&RecordFailure {
                topic: record.topic.to_owned(),
                bytes,
                has_key: record.key.is_some(),
                code,
                id: id(),
                is_alone: true,
            }),
        }
    }

    /// Waits until no record is in flight. librdkafka's own flush checks every 100 ms only.
    fn settle(&mut self, is_cancelled: IsCancelled<'_>) -> Result<(), KafkaError> {
        let begun = Instant::now();
        let mut stall = Stall::new(self.producer.in_flight_count());
        let mut look = 0_u32;
        loop {
            self.producer.poll(Duration::ZERO);
            self.check_records()?;
            self.check_progress(&mut stall)?;
            if self.producer.in_flight_count() == 0 {
                let waited = begun.elapsed();
                self.window.reset(waited);
                if look > 0 {
                    self.waits.end(waited);
                }
                // The last failure may have been reported between the two checks.
                return self.check_records();
            }
            if is_cancelled() {
                return Err(KafkaError::Cancelled {
                    doing: "waiting for acknowledgements",
                });
            }
            thread::sleep(self.waits.pause(look));
            look = look.saturating_add(1);
        }
    }

    /// Fails once no record has been acknowledged for [`STALL_LIMIT`]. A slow broker still acknowledges some records; one that
    /// acknowledges none is unreachable, though perhaps not for another instance.
    fn check_progress(&self, stall: &mut Stall) -> Result<(), KafkaError> {
        if stall.lasts(self.producer.in_flight_count(), Instant::now()) {
            return Err(KafkaError::Unreachable {
                doing: "waiting for acknowledgements",
                brokers: self.config.brokers.clone(),
                reason: format!("no record was acknowledged for {} s", STALL_LIMIT.as_secs()),
                may_speak_another_protocol: false,
            });
        }
        Ok(())
    }

    fn commit_transaction(&self, is_cancelled: IsCancelled<'_>) -> Result<(), KafkaError> {
        let begun = Instant::now();
        loop {
            let error = match self.producer.commit_transaction(CALL_LIMIT) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            self.serve_events();
            let waited = begun.elapsed();
            if !is_retriable(&error) {
                return Err(self.failed("committing", &error));
            }
            if waited >= COMMIT_LIMIT || is_cancelled() {
                let reason = match self
                    .explain
                    .client(self.on_transactional_id("committing"), &error)
                {
                    KafkaError::Unreachable { reason, .. } => reason,
                    other => other.to_string(),
                };
                return Err(KafkaError::CommitInDoubt { waited, reason });
            }
        }
    }

    /// Aborts the open transaction. Without transactions the producer itself is replaced: see
    /// [`ProducerSession::has_unabortable_records`].
    pub(crate) fn abort(&mut self, is_cancelled: IsCancelled<'_>) -> Result<(), KafkaError> {
        if self.begun.is_none() || !self.transactional() {
            return Ok(());
        }
        let had_failed = self.events.failure().is_some();
        let deadline = Instant::now() + ABORT_LIMIT;
        loop {
            self.serve_events();
            let error = match self.producer.abort_transaction(ABORT_CALL_LIMIT) {
                Ok(()) => break,
                Err(error) => error,
            };
            if !is_retriable(&error) || Instant::now() >= deadline || is_cancelled() {
                return Err(self.failed("aborting", &error));
            }
        }
        if !had_failed {
            // Records that the abort itself purged.
            self.events.forget_failure();
        }
        self.begun = None;
        Ok(())
    }

    /// Whether the producer must be replaced: librdkafka does not reuse the sequence numbers of records that a broker
    /// rejected, so the next transaction would fail.
    pub(crate) fn is_poisoned(&self) -> bool {
        self.events.failure().is_some()
    }

    /// Whether records of an unfinished commit are in flight that cannot be aborted, for lack of a transaction.
    pub(crate) fn has_unabortable_records(&self) -> bool {
        self.begun.is_some() && !self.transactional()
    }

    /// Serves librdkafka's events, such as log lines.
    pub(crate) fn serve_events(&self) {
        self.producer.poll(EVENTS_TIME);
    }

    fn check_records(&self) -> Result<(), KafkaError> {
        match self.record_failure() {
            None => Ok(()),
            Some(failure) if failure.is_consequence() => Err(match self.cause_of_abort() {
                Some(cause) => self.expired_or(self.abortable("writing records", &cause)),
                None => self.after_fatal("writing records", failure.code),
            }),
            Some(failure) => Err(self.expired_or(self.explain.record(&failure))),
        }
    }

    /// First failed record. A failed record purges those behind it, and their reports may come first: the report of the cause is
    /// awaited.
    fn record_failure(&self) -> Option<RecordFailure> {
        let deadline = Instant::now() + CAUSE_LIMIT;
        loop {
            let is_complete = self.producer.in_flight_count() == 0 || Instant::now() >= deadline;
            let failure = self.events.failure()?;
            if is_complete || !failure.is_secondary() {
                return Some(failure);
            }
            self.producer.poll(EVENTS_TIME);
        }
    }

    /// Error for which the open transaction can only be aborted, if there is one. librdkafka returns it from calls that are not
    /// possible then, such as beginning another transaction.
    fn cause_of_abort(&self) -> Option<RDKafkaError> {
        if self.begun.is_none() || !self.transactional() {
            return None;
        }
        match self.producer.begin_transaction() {
            Err(ClientError::Transaction(cause)) if cause.txn_requires_abort() => Some(cause),
            Ok(()) | Err(_) => None,
        }
    }

    /// Error of a transactional call.
    fn failed(&self, doing: &'static str, error: &ClientError) -> KafkaError {
        let ClientError::Transaction(cause) = error else {
            return self.explain.client(self.on_transactional_id(doing), error);
        };
        if cause.is_fatal() {
            return self.after_fatal(doing, cause.code());
        }
        if cause.txn_requires_abort() {
            // The failed record says more than the transaction that failed with it.
            return self
                .check_records()
                .err()
                .unwrap_or_else(|| self.expired_or(self.abortable(doing, cause)));
        }
        self.explain
            .code(self.on_transactional_id(doing), cause.code(), &cause.string())
    }

    fn abortable(&self, doing: &'static str, cause: &RDKafkaError) -> KafkaError {
        if cause.code() == RDKafkaErrorCode::TopicAuthorizationFailed {
            return self.denied_write();
        }
        match self
            .explain
            .code(self.on_transactional_id(doing), cause.code(), &cause.string())
        {
            error @ (KafkaError::Fenced { .. } | KafkaError::Unauthorized { .. }) => error,
            _ => KafkaError::MustAbort {
                doing,
                reason: self.config.properties.redact(&cause.string()),
            },
        }
    }

    fn denied_write(&self) -> KafkaError {
        self.serve_events();
        let resource = match self.events.denied_topic() {
            Some(topic) => format!("topic {topic}"),
            None => format!("one of the topics of {}", self.config.topic_prefix),
        };
        KafkaError::Unauthorized {
            operation: "Write",
            resource,
        }
    }

    /// First fatal error of the producer, which cannot be used any more.
    fn after_fatal(&self, doing: &'static str, code: RDKafkaErrorCode) -> KafkaError {
        let (code, reason) = self
            .producer
            .client()
            .fatal_error()
            .unwrap_or_else(|| (code, code.to_string()));
        self.expired_or(match ErrorClass::of(code) {
            ErrorClass::Fenced | ErrorClass::Unauthorized | ErrorClass::Unauthenticated => {
                self.explain.code(self.on_transactional_id(doing), code, &reason)
            }
            _ => KafkaError::Failed {
                doing,
                reason: self.config.properties.redact(&reason),
            },
        })
    }

    /// Distinguishes an expired transaction from fencing: a broker fences the producer of a transaction that timed out as it fences a
    /// replaced one.
    fn expired_or(&self, error: KafkaError) -> KafkaError {
        let limit = self.config.transaction_timeout;
        match (error, self.begun.map(|begun| begun.elapsed())) {
            (KafkaError::Fenced { .. }, Some(open)) if open >= limit => {
                KafkaError::TransactionExpired { open, limit }
            }
            (error, _) => error,
        }
    }

    fn on_transactional_id(&self, doing: &'static str) -> Attempt<'_> {
        Attempt {
            doing,
            operation: "Write",
            resource: "transactional id of",
            name: &self.config.name,
        }
    }
}
