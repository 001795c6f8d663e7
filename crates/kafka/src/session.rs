//! One librdkafka producer from its start to its first serious error.
//!
//! A full queue is waited for. Waiting looks at the clock instead of at delivery reports: those come for failures only,
//! since a report for each record would cost more than everything else here.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError as ClientError, RDKafkaError};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::RDKafkaErrorCode;
use walcast_delivery::Guarantee;
use walcast_mapper::{Batch, RecordView};

use crate::checkpoint::CheckpointRecord;
use crate::clients;
use crate::events::{Events, RecordFailure, identity};
use crate::explain::{Attempt, Explain};
use crate::sorting::Kind;
use crate::stall::{STALL_LIMIT, Stall};
use crate::window::Window;
use crate::{KafkaConfig, KafkaError};

/// The longest single call to librdkafka, so that a stop is noticed in time.
const CALL_LIMIT: Duration = Duration::from_secs(1);

/// How long a coordinator may take to end earlier transactions and let us begin.
const INIT_LIMIT: Duration = Duration::from_secs(30);

/// How long the answer to a commit is waited for before it counts as in doubt.
const COMMIT_LIMIT: Duration = Duration::from_secs(30);

/// How long an abort may take; the next start aborts as well.
const ABORT_LIMIT: Duration = Duration::from_secs(5);

/// The longest single call to abort. It waits until each record that it gives up is taken note of, which happens between
/// the calls.
const ABORT_CALL_LIMIT: Duration = Duration::from_millis(100);

/// How often the end of what is in flight is looked at. A produce request takes 1 to 3 ms.
const IN_FLIGHT_PAUSE: Duration = Duration::from_micros(100);

/// How long a full queue is left alone: 16 MB of queue are not empty before.
const FULL_QUEUE_PAUSE: Duration = Duration::from_millis(1);

/// After how many records failures are looked for.
const RECORDS_PER_LOOK: usize = 1024;

/// How long the report of the record is waited for that had others purged.
const CAUSE_LIMIT: Duration = Duration::from_secs(1);

/// Time to handle the events that have come in.
const EVENTS_TIME: Duration = Duration::from_millis(1);

/// One producer.
pub(crate) struct Session {
    producer: BaseProducer<Events>,
    events: Events,
    explain: Explain,
    config: Arc<KafkaConfig>,
    topic: String,
    window: Window,
    /// When the open transaction was begun.
    begun: Option<Instant>,
}

/// Whether somebody still waits for an answer.
pub(crate) type Wanted<'a> = &'a dyn Fn() -> bool;

impl Session {
    /// Makes a producer; it connects by itself.
    pub(crate) fn new(config: &Arc<KafkaConfig>, was_let_in: &Arc<AtomicBool>) -> Result<Self, KafkaError> {
        let events = Events::of_producer(clients::batch_bytes(&config.properties));
        let producer = clients::producer(config)
            .create_with_context(events.clone())
            .map_err(|error| KafkaError::ClientRejected {
                reason: config.properties.redact(&error.to_string()),
            })?;
        let explain = Explain::new(Arc::clone(config), events.clone(), Arc::clone(was_let_in));
        let topic = config.checkpoint_topic();
        Ok(Self {
            producer,
            events,
            explain,
            config: Arc::clone(config),
            topic,
            window: Window::new(config),
            begun: None,
        })
    }

    fn transactional(&self) -> bool {
        self.config.guarantee == Guarantee::ExactlyOnce
    }

    /// Fences earlier instances and waits until their transactions have ended.
    pub(crate) fn fence_others(&self, wanted: Wanted<'_>) -> Result<(), KafkaError> {
        const DOING: &str = "fencing earlier instances";
        if !self.transactional() {
            return Ok(());
        }
        let deadline = Instant::now() + INIT_LIMIT;
        loop {
            let error = match self.producer.init_transactions(CALL_LIMIT) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            self.serve_events();
            if let Some(error) = self.explain.turned_away() {
                return Err(error);
            }
            if !wanted() {
                return Err(KafkaError::Abandoned { doing: DOING });
            }
            if !is_retriable(&error) || Instant::now() >= deadline {
                return Err(self.explain.client(self.on_id(DOING), &error));
            }
        }
    }

    /// Hands every record over.
    pub(crate) fn write(&mut self, batch: &Batch, wanted: Wanted<'_>) -> Result<(), KafkaError> {
        self.begin()?;
        for (number, record) in batch.records().enumerate() {
            if number % RECORDS_PER_LOOK == 0 {
                self.producer.poll(Duration::ZERO);
                self.check_records()?;
            }
            // The clock is looked at for each record: one that comes too late costs more than all these looks.
            if !self.window.admits(&record, Instant::now()) {
                self.settle(wanted)?;
                self.window.admits(&record, Instant::now());
            }
            self.send(to_kafka(&record), wanted)?;
        }
        Ok(())
    }

    /// Makes what was written durable, together with the checkpoint.
    pub(crate) fn commit(
        &mut self,
        records: &[CheckpointRecord],
        wanted: Wanted<'_>,
    ) -> Result<(), KafkaError> {
        if !self.transactional() {
            // The checkpoint must not be durable before what it covers.
            self.settle(wanted)?;
        }
        self.begin()?;
        for record in records {
            let mut kafka = BaseRecord::<[u8], [u8]>::to(&self.topic)
                .partition(0)
                .key(record.key.as_bytes());
            kafka.payload = record.value.as_ref().map(String::as_bytes);
            self.send(kafka, wanted)?;
        }
        self.settle(wanted)?;
        if self.transactional() {
            self.commit_transaction(wanted)?;
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

    fn send(&self, mut record: BaseRecord<'_, [u8], [u8]>, wanted: Wanted<'_>) -> Result<(), KafkaError> {
        let mut was_empty = false;
        let mut stall = Stall::new(self.producer.in_flight_count());
        loop {
            let (error, back) = match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err(refused) => refused,
            };
            record = back;
            let code = error
                .rdkafka_error_code()
                .unwrap_or(RDKafkaErrorCode::InvalidArgument);
            if code != RDKafkaErrorCode::QueueFull || was_empty {
                return Err(self.refused(&record, code));
            }
            was_empty = self.producer.in_flight_count() == 0;
            self.producer.poll(Duration::ZERO);
            self.check_records()?;
            self.check_progress(&mut stall)?;
            if !wanted() {
                return Err(KafkaError::Abandoned {
                    doing: "writing records",
                });
            }
            thread::sleep(FULL_QUEUE_PAUSE);
        }
    }

    fn refused(&self, record: &BaseRecord<'_, [u8], [u8]>, code: RDKafkaErrorCode) -> KafkaError {
        let bytes = record.key.map_or(0, <[u8]>::len) + record.payload.map_or(0, <[u8]>::len);
        let id = || identity(record.headers.as_ref());
        match code {
            // A queue that was empty and too full for it will never take it.
            RDKafkaErrorCode::QueueFull => KafkaError::RecordTooLarge {
                topic: record.topic.to_owned(),
                bytes,
                id: id(),
            },
            RDKafkaErrorCode::Fatal | RDKafkaErrorCode::Fenced => self.after_fatal("writing records", code),
            // The transaction failed meanwhile, and a record's failure says why.
            RDKafkaErrorCode::State => self.check_records().err().unwrap_or(KafkaError::MustAbort {
                doing: "writing records",
                reason: code.to_string(),
            }),
            _ => self.explain.record(&RecordFailure {
                topic: record.topic.to_owned(),
                bytes,
                code,
                id: id(),
                is_alone: true,
            }),
        }
    }

    /// Waits until nothing is in flight. librdkafka's own flush looks every 100 ms only.
    fn settle(&mut self, wanted: Wanted<'_>) -> Result<(), KafkaError> {
        let begun = Instant::now();
        let mut stall = Stall::new(self.producer.in_flight_count());
        loop {
            self.producer.poll(Duration::ZERO);
            self.check_records()?;
            self.check_progress(&mut stall)?;
            if self.producer.in_flight_count() == 0 {
                self.window.reset(begun.elapsed());
                // The last failure may have been counted down between the two looks.
                return self.check_records();
            }
            if !wanted() {
                return Err(KafkaError::Abandoned {
                    doing: "waiting for acknowledgements",
                });
            }
            thread::sleep(IN_FLIGHT_PAUSE);
        }
    }

    /// A broker that is slow acknowledges something now and then; one that does not is out of reach, and another instance may
    /// reach it.
    fn check_progress(&self, stall: &mut Stall) -> Result<(), KafkaError> {
        if stall.lasts(self.producer.in_flight_count(), Instant::now()) {
            return Err(KafkaError::Unreachable {
                doing: "waiting for acknowledgements",
                brokers: self.config.brokers.clone(),
                reason: format!("nothing was acknowledged for {} s", STALL_LIMIT.as_secs()),
            });
        }
        Ok(())
    }

    fn commit_transaction(&self, wanted: Wanted<'_>) -> Result<(), KafkaError> {
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
            if waited >= COMMIT_LIMIT || !wanted() {
                let reason = match self.explain.client(self.on_id("committing"), &error) {
                    KafkaError::Unreachable { reason, .. } => reason,
                    other => other.to_string(),
                };
                return Err(KafkaError::CommitInDoubt { waited, reason });
            }
        }
    }

    /// Gives up what was written since the last commit. Without transactions the producer itself is given up: see
    /// [`Session::has_loose_records`].
    pub(crate) fn abort(&mut self, wanted: Wanted<'_>) -> Result<(), KafkaError> {
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
            if !is_retriable(&error) || Instant::now() >= deadline || !wanted() {
                return Err(self.failed("aborting", &error));
            }
        }
        if !had_failed {
            // Records that the abort itself took back.
            self.events.forget_failure();
        }
        self.begun = None;
        Ok(())
    }

    /// Whether nothing can be written any more without making up for what failed: librdkafka does not make up for the
    /// sequence numbers of records that a broker refused, and the next transaction would fail for it.
    pub(crate) fn is_spent(&self) -> bool {
        self.events.failure().is_some()
    }

    /// Whether records of an unfinished commit are under way that cannot be aborted.
    pub(crate) fn has_loose_records(&self) -> bool {
        self.begun.is_some() && !self.transactional()
    }

    /// Hands what librdkafka has to say to the log.
    pub(crate) fn serve_events(&self) {
        self.producer.poll(EVENTS_TIME);
    }

    fn check_records(&self) -> Result<(), KafkaError> {
        match self.record_failure() {
            None => Ok(()),
            Some(failure) if is_consequence(failure.code) => Err(match self.cause_of_abort() {
                Some(cause) => self.expired_or(self.abortable("writing records", &cause)),
                None => self.after_fatal("writing records", failure.code),
            }),
            Some(failure) => Err(self.expired_or(self.explain.record(&failure))),
        }
    }

    /// One failed record has those behind it purged, and their reports can come first: the cause is waited for.
    fn record_failure(&self) -> Option<RecordFailure> {
        let deadline = Instant::now() + CAUSE_LIMIT;
        loop {
            let all_told = self.producer.in_flight_count() == 0 || Instant::now() >= deadline;
            let failure = self.events.failure()?;
            if all_told || !failure.is_purge() {
                return Some(failure);
            }
            self.producer.poll(EVENTS_TIME);
        }
    }

    /// Why the open transaction can only be aborted, when that is so. librdkafka says it to whoever asks for what cannot be
    /// done then, such as beginning another.
    fn cause_of_abort(&self) -> Option<RDKafkaError> {
        if self.begun.is_none() || !self.transactional() {
            return None;
        }
        match self.producer.begin_transaction() {
            Err(ClientError::Transaction(cause)) if cause.txn_requires_abort() => Some(cause),
            Ok(()) | Err(_) => None,
        }
    }

    /// The error of a transactional call.
    fn failed(&self, doing: &'static str, error: &ClientError) -> KafkaError {
        let ClientError::Transaction(cause) = error else {
            return self.explain.client(self.on_id(doing), error);
        };
        if cause.is_fatal() {
            return self.after_fatal(doing, cause.code());
        }
        if cause.txn_requires_abort() {
            // The record that failed says more than the transaction that failed with it.
            return self
                .check_records()
                .err()
                .unwrap_or_else(|| self.expired_or(self.abortable(doing, cause)));
        }
        self.explain
            .code(self.on_id(doing), cause.code(), &cause.string())
    }

    fn abortable(&self, doing: &'static str, cause: &RDKafkaError) -> KafkaError {
        if cause.code() == RDKafkaErrorCode::TopicAuthorizationFailed {
            return self.not_writable();
        }
        match self
            .explain
            .code(self.on_id(doing), cause.code(), &cause.string())
        {
            error @ (KafkaError::Fenced { .. } | KafkaError::Unauthorized { .. }) => error,
            _ => KafkaError::MustAbort {
                doing,
                reason: self.config.properties.redact(&cause.string()),
            },
        }
    }

    fn not_writable(&self) -> KafkaError {
        self.serve_events();
        let resource = match self.events.refused_topic() {
            Some(topic) => format!("topic {topic}"),
            None => format!("one of the topics of {}", self.config.topic_prefix),
        };
        KafkaError::Unauthorized {
            operation: "Write",
            resource,
        }
    }

    /// The error of a producer that is of no use any more: the first fatal one.
    fn after_fatal(&self, doing: &'static str, code: RDKafkaErrorCode) -> KafkaError {
        let (code, reason) = self
            .producer
            .client()
            .fatal_error()
            .unwrap_or_else(|| (code, code.to_string()));
        self.expired_or(match Kind::of(code) {
            Kind::Fenced | Kind::Unauthorized | Kind::Unauthenticated => {
                self.explain.code(self.on_id(doing), code, &reason)
            }
            _ => KafkaError::Failed {
                doing,
                reason: self.config.properties.redact(&reason),
            },
        })
    }

    /// A broker fences the producer of a transaction that it timed out as it fences one that was replaced.
    fn expired_or(&self, error: KafkaError) -> KafkaError {
        let limit = self.config.transaction_timeout;
        match (error, self.begun.map(|begun| begun.elapsed())) {
            (KafkaError::Fenced { .. }, Some(open)) if open >= limit => {
                KafkaError::TransactionExpired { open, limit }
            }
            (error, _) => error,
        }
    }

    fn on_id(&self, doing: &'static str) -> Attempt<'_> {
        Attempt {
            doing,
            operation: "Write",
            resource: "transactional id of",
            name: &self.config.name,
        }
    }
}

/// Whether a record failed only because something else did.
fn is_consequence(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::Fatal
            | RDKafkaErrorCode::Fenced
            | RDKafkaErrorCode::PurgeQueue
            | RDKafkaErrorCode::PurgeInflight
            | RDKafkaErrorCode::InvalidProducerEpoch
            | RDKafkaErrorCode::ProducerFenced
    )
}

fn is_retriable(error: &ClientError) -> bool {
    match error {
        ClientError::Transaction(cause) => cause.is_retriable(),
        // The flush before a commit ran out of time.
        ClientError::Flush(_) => true,
        _ => false,
    }
}

fn to_kafka<'a>(record: &RecordView<'a>) -> BaseRecord<'a, [u8], [u8]> {
    let mut kafka = BaseRecord::to(record.topic);
    kafka.key = record.key;
    kafka.payload = record.value;
    let mut headers = record.headers();
    if let Some(first) = headers.next() {
        let owned = OwnedHeaders::new_with_capacity(1 + headers.size_hint().0);
        let insert = |owned: OwnedHeaders, header: walcast_mapper::Header<'_>| {
            owned.insert(Header {
                key: header.name,
                value: Some(header.value),
            })
        };
        kafka.headers = Some(headers.fold(insert(owned, first), insert));
    }
    kafka
}
