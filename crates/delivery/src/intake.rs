//! Reads the stream: follows its transactions, encodes its changes, hands them on in parcels.

mod edges;
mod explain;
mod gone;
mod held;
mod messages;
mod notifications;
mod pace;
mod recognised;
mod requests;
mod signal_table;
mod tables;
mod window;

use std::future::Future;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;
use tracing::debug;
use walcast_mapper::{
    Batch, ChangeContext, MapperConfig, Mark, MessageEvents, NotificationEvents, Ordinal, RowChange,
};
use walcast_pgoutput::{Begin, Commit, Decoder, Frame, FrameBlock, Lsn, Message, Oid, Truncate};

use self::edges::ToldTransactions;
use self::signal_table::SignalTable;
pub(crate) use self::tables::Rows;
use crate::edge::{BoxedFault, ChangeStream, RowsCatalog, SchemaRegistry, Snapshots, Topics};
use crate::parcel::{OpenTransaction, PARCEL_BYTES, Parcel};
use crate::recognition::{Recognition, Shown};
use crate::relations::Relations;
use crate::snapshot::SnapshotRequests;
use crate::{CommitMark, DeliveryError, Metrics, Partial};

/// Where a session begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resume {
    /// What the stream has to show before that; `None` when it was begun there, or has come there.
    pub(crate) recognition: Option<Recognition>,
    /// Transactions whose commit record lies before this position were delivered.
    pub(crate) from: Lsn,
    /// The transaction delivered last, for `source.sequence`.
    pub(crate) last_commit: Option<CommitMark>,
    /// The last message outside of any transaction delivered after it.
    pub(crate) last_message: Option<Lsn>,
    /// How much of the first transaction was delivered.
    pub(crate) partial: Option<Partial>,
    /// The offset in the signal topic before which signals are carried out; `None`: it was never read.
    pub(crate) signals_read: Option<i64>,
}

/// The reading half of a session.
pub(crate) struct Intake<'a, C, T, R, N: Snapshots> {
    relations: Relations<'a, C, T, R>,
    decoder: Decoder,
    resume: Resume,
    transaction: Option<OpenTransaction>,
    last_commit: Option<CommitMark>,
    /// Where the last transaction ended, or the message after it lies, for `source.sequence`.
    previous_end: Option<Lsn>,
    /// Where transactions are told, what tells them.
    told: Option<ToldTransactions>,
    messages: MessageEvents,
    rows: Rows<N::Snapshot>,
    requests: &'a mut SnapshotRequests,
    signal_table: Option<SignalTable>,
    notifications: Option<NotificationEvents>,
    /// The offset in the signal topic before which signals are carried out; `None`: it was never read.
    signals_read: Option<i64>,
    parcel: Parcel,
    /// The state of the batch at the end of the last whole transaction in it.
    whole: Mark,
    /// Whether records of the open transaction have been sent on in an earlier parcel.
    open_was_sent: bool,
    parcels: mpsc::Sender<Parcel>,
    emptied: mpsc::Receiver<Batch>,
    metrics: &'a Metrics,
    now_unix_nanos: i64,
}

/// Where a change stands.
struct Place {
    context: ChangeContext,
    /// Whether its records are in Kafka, in a part of a split transaction.
    is_delivered: bool,
}

/// Why reading ended before it was asked to.
pub(crate) enum IntakeFault {
    /// The stream, the catalog, the registry or the row.
    Failed(DeliveryError),
    /// The shipper is gone; it tells why.
    ShipperGone,
    /// None is: the stream is to be begun anew from here.
    Renew,
}

impl From<DeliveryError> for IntakeFault {
    fn from(error: DeliveryError) -> Self {
        IntakeFault::Failed(error)
    }
}

impl<'a, C: RowsCatalog, T: Topics, R: SchemaRegistry, N: Snapshots> Intake<'a, C, T, R, N> {
    #[expect(clippy::too_many_arguments, reason = "a session's parts meet here once")]
    pub(crate) fn new(
        relations: Relations<'a, C, T, R>,
        mapper: &MapperConfig,
        resume: Resume,
        rows: Rows<N::Snapshot>,
        requests: &'a mut SnapshotRequests,
        parcels: mpsc::Sender<Parcel>,
        emptied: mpsc::Receiver<Batch>,
        metrics: &'a Metrics,
    ) -> Self {
        let parcel = Parcel::new(Batch::new());
        let whole = parcel.batch.mark();
        let last_commit = resume.last_commit;
        let signal_table = rows.config.signal_table.clone().map(SignalTable::new);
        Self {
            relations,
            decoder: Decoder::new(),
            resume,
            transaction: None,
            last_commit,
            previous_end: resume.last_message.or(last_commit.map(|commit| commit.end_lsn)),
            told: ToldTransactions::new(mapper),
            messages: MessageEvents::new(mapper),
            rows,
            requests,
            signal_table,
            notifications: NotificationEvents::new(mapper),
            signals_read: resume.signals_read,
            parcel,
            whole,
            open_was_sent: false,
            parcels,
            emptied,
            metrics,
            now_unix_nanos: 0,
        }
    }

    /// Reads until `stop` ends or something fails. Whole transactions that were read before are handed on in either
    /// case; of the one that was being read nothing more is.
    pub(crate) async fn run<S: ChangeStream>(
        mut self,
        stream: &mut S,
        snapshots: &mut N,
        stop: impl Future<Output = ()>,
    ) -> Result<(), IntakeFault> {
        let outcome = self.read(stream, snapshots, stop).await;
        if !matches!(outcome, Err(IntakeFault::ShipperGone)) {
            self.hand_on_whole().await?;
        }
        outcome
    }

    async fn read<S: ChangeStream>(
        &mut self,
        stream: &mut S,
        snapshots: &mut N,
        stop: impl Future<Output = ()>,
    ) -> Result<(), IntakeFault> {
        let mut stop = std::pin::pin!(stop);
        self.show_progress();
        if self.resume.recognition.is_none() && self.rows.are_due_at(self.resume.from) {
            self.read_tables().await?;
        }
        loop {
            if self.rows.are_all() {
                return Ok(());
            }
            if self.resume.recognition.is_none() && self.rows.want_snapshot() {
                if !self.await_snapshot(stream, snapshots, &mut stop).await? {
                    return Ok(());
                }
                continue;
            }
            // Each branch is cancel-safe: `next` by its contract, the others hold no state.
            let block: Result<FrameBlock, BoxedFault> = tokio::select! {
                biased;
                () = &mut stop => return Ok(()),
                () = self.parcels.closed() => return Err(IntakeFault::ShipperGone),
                request = self.requests.next(), if self.transaction.is_none() && self.resume.recognition.is_none() => {
                    self.carry_out(request).await?;
                    continue;
                }
                block = stream.next() => block,
            };
            self.take(&block.map_err(DeliveryError::Source)?).await?;
        }
    }

    /// Everything in the block is handed on at its end: whatever comes later is not waited for.
    async fn take(&mut self, block: &FrameBlock) -> Result<(), IntakeFault> {
        self.now_unix_nanos = unix_nanos();
        self.metrics
            .received_bytes
            .inc_by(u64::try_from(block.len_bytes()).unwrap_or(u64::MAX));
        for frame in block.frames() {
            match frame.map_err(|error| self.unreadable(error))? {
                Frame::XLogData {
                    wal_start, message, ..
                } => {
                    let message = self
                        .decoder
                        .decode(message)
                        .map_err(|error| self.unreadable(error))?;
                    if let Some(recognition) = &mut self.resume.recognition
                        && recognition.see(&message).map_err(DeliveryError::from)? == Shown::Recognised
                    {
                        self.is_recognised().await?;
                    }
                    self.follow(wal_start, message).await?;
                }
                Frame::Keepalive { wal_end, .. } => {
                    self.metrics
                        .server_lsn
                        .set(wal_end.as_u64().max(self.metrics.server_lsn.get()));
                    // Inside a transaction the position lies before its end, and says nothing we could use.
                    if self.transaction.is_none() && self.recognise_keepalive(wal_end).await? {
                        self.parcel.idle_until = self.parcel.idle_until.max(Some(wal_end));
                        if self.rows.are_due_at(wal_end) {
                            self.read_tables().await?;
                        }
                    }
                }
            }
        }
        self.hand_on().await
    }

    #[inline]
    async fn follow(&mut self, wal_start: Lsn, message: Message<'_>) -> Result<(), IntakeFault> {
        match message {
            Message::Begin(begin) => {
                if self.resume.recognition.is_none() && self.rows.are_due_before(begin.commit_lsn) {
                    self.read_tables().await?;
                }
                self.begin(wal_start, &begin).await?;
            }
            Message::Commit(commit) => self.commit(wal_start, &commit).await?,
            Message::Relation(relation) => {
                if let Some(table) = &mut self.signal_table {
                    table.learn(&relation);
                }
                self.relations.learn(relation);
            }
            Message::Insert(insert) => {
                if let Some(table) = &mut self.signal_table {
                    table.insert(insert.relation, &insert.new);
                }
                self.change(wal_start, insert.relation, &RowChange::Insert { new: insert.new })
                    .await?;
            }
            Message::Update(update) => {
                let change = RowChange::Update {
                    old: update.old,
                    new: update.new,
                };
                self.change(wal_start, update.relation, &change).await?;
            }
            Message::Delete(delete) => {
                self.change(wal_start, delete.relation, &RowChange::Delete { old: delete.old })
                    .await?;
            }
            Message::Truncate(truncate) => self.truncate(wal_start, &truncate).await?,
            Message::Logical(message) => self.message(&message).await?,
            // Labels and base types come from the catalog; an origin changes nothing; PostgreSQL 18 can send a stray
            // abort of a stream that never began.
            Message::Type(_) | Message::Origin(_) | Message::StreamAbort(_) => {}
            Message::StreamStart(_)
            | Message::StreamStop
            | Message::StreamCommit { .. }
            | Message::BeginPrepare(_)
            | Message::Prepare(_)
            | Message::CommitPrepared(_)
            | Message::RollbackPrepared(_)
            | Message::StreamPrepare(_) => {
                return Err(self.out_of_order(
                    "a message of protocol version 2 or later came in a session of version 1",
                ));
            }
        }
        Ok(())
    }

    async fn begin(&mut self, lsn: Lsn, begin: &Begin) -> Result<(), IntakeFault> {
        if self.transaction.is_some() {
            return Err(self.out_of_order("a transaction begins inside another"));
        }
        self.transaction = Some(OpenTransaction {
            xid: begin.xid,
            commit_lsn: begin.commit_lsn,
            commit_time: begin.commit_time,
            next_ordinal: Ordinal::default(),
            has_records: false,
        });
        self.open_was_sent = false;
        self.tell_beginning(lsn).await
    }

    async fn commit(&mut self, lsn: Lsn, commit: &Commit) -> Result<(), IntakeFault> {
        let Some(transaction) = self.transaction else {
            return Err(self.out_of_order("a transaction ends that never began"));
        };
        if transaction.commit_lsn != commit.commit_lsn {
            return Err(
                self.out_of_order("a transaction ends with another commit position than it began with")
            );
        }
        let has_records = transaction.has_records | self.tell_end(lsn).await?;
        let signals = self.signal_table.as_mut().map(SignalTable::take);
        if transaction.commit_lsn < self.resume.from {
            self.transaction = None;
            return Ok(());
        }
        // Stored with the transaction, and before it counts as read: a signal is carried out once.
        if let Some(signals) = signals.filter(|signals| !signals.is_empty()) {
            self.carry_out_all(signals).await?;
        }
        self.transaction = None;
        let mark = CommitMark::new(
            commit.commit_lsn,
            commit.end_lsn,
            commit.commit_time,
            transaction.xid,
        );
        self.last_commit = Some(mark);
        self.previous_end = Some(mark.end_lsn);
        self.parcel.completed = Some(mark);
        self.parcel.message = None;
        if has_records {
            self.parcel.transactions += 1;
            let oldest = self.parcel.oldest_commit.get_or_insert(commit.commit_time);
            *oldest = (*oldest).min(commit.commit_time);
        }
        self.open_was_sent = false;
        self.whole = self.parcel.batch.mark();
        // A stream that never rests between two transactions would leave nobody a word.
        while let Some(request) = self.requests.waiting() {
            self.carry_out(request).await?;
        }
        Ok(())
    }

    async fn change(&mut self, lsn: Lsn, relation: Oid, change: &RowChange<'_>) -> Result<(), IntakeFault> {
        let Some(place) = self.next_place(lsn)? else {
            return Ok(());
        };
        if self.rows.hold_back(|| self.relations.name_of(relation)) {
            return Ok(());
        }
        let before = self.parcel.batch.mark();
        let tally = self.told.as_mut().map(|told| &mut told.tally);
        let encoded = self
            .relations
            .encode(relation, change, &place.context, tally, &mut self.parcel.batch)
            .await;
        let has_records = encoded.map_err(|fault| self.explain(lsn, fault))?;
        self.encoded(&place, before, has_records).await
    }

    async fn truncate(&mut self, lsn: Lsn, truncate: &Truncate) -> Result<(), IntakeFault> {
        let Some(place) = self.next_place(lsn)? else {
            return Ok(());
        };
        let before = self.parcel.batch.mark();
        let tally = self.told.as_mut().map(|told| &mut told.tally);
        let batch = &mut self.parcel.batch;
        let encoded = self
            .relations
            .encode_truncate(&truncate.relations, &place.context, tally, batch)
            .await;
        let has_records = encoded.map_err(|fault| self.explain(lsn, fault))?;
        self.encoded(&place, before, has_records).await
    }

    /// The place of the next change of the transaction; `None` when nothing is to be done for it, because it is in Kafka
    /// already.
    #[inline]
    fn next_place(&mut self, lsn: Lsn) -> Result<Option<Place>, IntakeFault> {
        let ordinal = self.next_ordinal()?;
        let Some(transaction) = self.transaction else {
            return Ok(None);
        };
        let commit_lsn = transaction.commit_lsn;
        let is_delivered = self
            .resume
            .partial
            .is_some_and(|partial| partial.covers(commit_lsn, ordinal));
        // What was delivered of a transaction counts in what is told of it.
        if commit_lsn < self.resume.from || is_delivered && self.told.is_none() {
            return Ok(None);
        }
        let context = ChangeContext {
            xid: transaction.xid,
            commit_lsn,
            commit_time: transaction.commit_time,
            lsn,
            ordinal,
            previous_commit_end: self.previous_end,
            processed_at_unix_nanos: self.now_unix_nanos,
        };
        Ok(Some(Place {
            context,
            is_delivered,
        }))
    }

    /// A change was encoded: its records wait in the batch that was at `before`.
    #[inline]
    async fn encoded(&mut self, place: &Place, before: Mark, has_records: bool) -> Result<(), IntakeFault> {
        if place.is_delivered {
            self.parcel.batch.rewind(before);
            return Ok(());
        }
        if let Some(transaction) = &mut self.transaction {
            transaction.has_records |= has_records;
        }
        if self.parcel.batch.len_bytes() >= PARCEL_BYTES {
            self.hand_on().await?;
        }
        Ok(())
    }

    fn next_ordinal(&mut self) -> Result<Ordinal, IntakeFault> {
        match &mut self.transaction {
            Some(transaction) => {
                let ordinal = transaction.next_ordinal;
                transaction.next_ordinal = ordinal.next();
                Ok(ordinal)
            }
            None => Err(self.out_of_order("a change stands outside of any transaction")),
        }
    }

    /// Sends the parcel on, if it holds anything, and goes on with an empty one.
    ///
    /// The beginning of a transaction travels apart from whole ones before it, so that these can be committed whatever
    /// becomes of it.
    async fn hand_on(&mut self) -> Result<(), IntakeFault> {
        if self.parcel.is_empty() {
            return Ok(());
        }
        let mut next = Parcel::new(self.emptied.try_recv().unwrap_or_default());
        let open = self.transaction.filter(|transaction| transaction.has_records);
        let holds_whole = self.parcel.completed.is_some()
            || self.parcel.message.is_some()
            || self.parcel.idle_until.is_some();
        if open.is_some() && !self.open_was_sent && holds_whole {
            self.parcel.batch.split_off(self.whole, &mut next.batch);
            let whole = std::mem::replace(&mut self.parcel, next);
            next = Parcel::new(self.emptied.try_recv().unwrap_or_default());
            self.send(whole).await?;
        }
        let mut parcel = std::mem::replace(&mut self.parcel, next);
        self.whole = self.parcel.batch.mark();
        parcel.open = open;
        self.open_was_sent |= open.is_some();
        self.send(parcel).await
    }

    async fn send(&self, parcel: Parcel) -> Result<(), IntakeFault> {
        self.parcels
            .send(parcel)
            .await
            .map_err(|_| IntakeFault::ShipperGone)
    }

    /// Reading is over: what is whole is sent on, the beginning of a transaction is dropped. It will be read again.
    async fn hand_on_whole(&mut self) -> Result<(), IntakeFault> {
        self.parcel.batch.rewind(self.whole);
        if !self.open_was_sent {
            self.transaction = None;
        }
        debug!(open = self.transaction.is_some(), "reading has ended");
        self.hand_on().await
    }
}

/// Our clock; before 1970 it would be wrong anyway.
fn unix_nanos() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX)
}
