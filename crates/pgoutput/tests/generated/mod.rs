//! Any message: its parts, owned, from which a borrowing [`Message`] is made.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use walcast_pgoutput::reader::Reader;
use walcast_pgoutput::{
    Begin, Column, Commit, Decoder, Delete, Insert, LogicalMessage, Lsn, Message, Oid, OldTuple, Origin,
    PgTimestamp, Prepared, Relation, RelationColumn, ReplicaIdentity, RollbackPrepared, StreamAbort,
    StreamStart, Truncate, Tuple, TypeMessage, Update, Xid, encode,
};

/// The parts of a message of the kind that `tag` names; a kind takes those it has.
#[derive(Clone, Debug)]
pub(crate) struct Generated {
    tag: u8,
    xid: Option<Xid>,
    other_xid: Xid,
    oid: Oid,
    lsns: (Lsn, Lsn),
    times: (PgTimestamp, PgTimestamp),
    texts: (String, String),
    content: Vec<u8>,
    flags: (bool, bool),
    tuples: (Vec<u8>, Vec<u8>),
    relation_columns: Vec<RelationColumn>,
    oids: Vec<Oid>,
}

/// Every tag of the protocol.
const TAGS: &[u8] = b"BCORYIUDTMSEcAbPKrp";

/// The tags of messages that carry their transaction inside a block.
const CHANGES: &[u8] = b"RYIUDTM";

/// A message of any kind.
pub(crate) fn a_message() -> impl Strategy<Value = Generated> {
    let numbers = (
        option::of(any::<u32>().prop_map(Xid::new)),
        any::<u32>().prop_map(Xid::new),
        oid(),
    );
    let lsn = || any::<u64>().prop_map(Lsn::new);
    let time = || any::<i64>().prop_map(PgTimestamp::from_postgres_micros);
    let bodies = (
        vec(any::<u8>(), 0..20),
        (tuple(), tuple()),
        vec(relation_column(), 0..5),
        vec(oid(), 0..5),
    );
    let head = (
        prop::sample::select(TAGS),
        numbers,
        (lsn(), lsn()),
        (time(), time()),
    );
    (head, (text(), text()), any::<(bool, bool)>(), bodies).prop_map(|(head, texts, flags, bodies)| {
        let (tag, (xid, other_xid, oid), lsns, times) = head;
        let (content, tuples, relation_columns, oids) = bodies;
        let xid = xid.filter(|_| CHANGES.contains(&tag));
        Generated {
            tag,
            xid,
            other_xid,
            oid,
            lsns,
            times,
            texts,
            content,
            flags,
            tuples,
            relation_columns,
            oids,
        }
    })
}

impl Generated {
    /// The message, borrowing from its parts.
    pub(crate) fn message(&self) -> Message<'_> {
        let (xid, other_xid, lsn, end_lsn) = (self.xid, self.other_xid, self.lsns.0, self.lsns.1);
        let (commit_time, text) = (self.times.0, self.texts.0.as_str());
        let commit = Commit {
            commit_lsn: lsn,
            end_lsn,
            commit_time,
        };
        let prepared = Prepared {
            lsn,
            end_lsn,
            time: commit_time,
            xid: other_xid,
            gid: text,
        };
        match self.tag {
            b'B' => Message::Begin(Begin {
                commit_lsn: lsn,
                commit_time,
                xid: other_xid,
            }),
            b'C' => Message::Commit(commit),
            b'O' => Message::Origin(Origin {
                commit_lsn: lsn,
                name: text,
            }),
            b'R' => Message::Relation(self.relation()),
            b'Y' => Message::Type(TypeMessage {
                xid,
                oid: self.oid,
                namespace: self.namespace(),
                name: text.to_owned(),
            }),
            b'I' => Message::Insert(Insert {
                xid,
                relation: self.oid,
                new: read(&self.tuples.1),
            }),
            b'U' => Message::Update(Update {
                xid,
                relation: self.oid,
                old: self.flags.1.then(|| self.old()),
                new: read(&self.tuples.1),
            }),
            b'D' => Message::Delete(Delete {
                xid,
                relation: self.oid,
                old: self.old(),
            }),
            b'T' => {
                let (cascade, restart_identity) = self.flags;
                Message::Truncate(Truncate {
                    xid,
                    cascade,
                    restart_identity,
                    relations: self.oids.clone(),
                })
            }
            b'M' => {
                let transactional = self.flags.0;
                Message::Logical(LogicalMessage {
                    xid,
                    transactional,
                    lsn,
                    prefix: text,
                    content: &self.content,
                })
            }
            b'S' => Message::StreamStart(StreamStart {
                xid: other_xid,
                first: self.flags.0,
            }),
            b'E' => Message::StreamStop,
            b'c' => Message::StreamCommit {
                xid: other_xid,
                commit,
            },
            b'A' => Message::StreamAbort(StreamAbort {
                xid: other_xid,
                subxid: Xid::new(self.oid.as_u32()),
                aborted: self.flags.0.then_some((lsn, commit_time)),
            }),
            b'b' => Message::BeginPrepare(prepared),
            b'P' => Message::Prepare(prepared),
            b'K' => Message::CommitPrepared(prepared),
            b'p' => Message::StreamPrepare(prepared),
            b'r' => Message::RollbackPrepared(RollbackPrepared {
                prepare_end_lsn: lsn,
                end_lsn,
                prepared_at: commit_time,
                rolled_back_at: self.times.1,
                xid: other_xid,
                gid: text,
            }),
            other => unreachable!("{} is no tag", char::from(other)),
        }
    }

    /// The message's bytes.
    pub(crate) fn encoded(&self) -> Vec<u8> {
        let mut encoded = Vec::new();
        encode::message(&self.message(), &mut encoded);
        encoded
    }

    /// Where a stream abort could end earlier and still be one.
    pub(crate) fn encoded_without_last_fields(&self) -> Option<usize> {
        const LSN_AND_TIME_BYTES: usize = 16;
        (self.tag == b'A' && self.flags.0).then(|| self.encoded().len() - LSN_AND_TIME_BYTES)
    }

    /// A decoder that is where the message may come: inside a block, or not.
    pub(crate) fn decoder(&self) -> Decoder {
        let mut decoder = Decoder::new();
        if self.stands_in_a_block() {
            decoder.decode(b"S\0\0\0\x01\x01").unwrap();
        }
        decoder
    }

    /// Whether the message can come inside a block only.
    pub(crate) fn stands_in_a_block(&self) -> bool {
        self.xid.is_some() || self.ends_the_block()
    }

    /// Whether the message is the end of a block.
    pub(crate) fn ends_the_block(&self) -> bool {
        self.tag == b'E'
    }

    /// Whether the message is the beginning of a block.
    pub(crate) fn begins_a_block(&self) -> bool {
        self.tag == b'S'
    }

    fn relation(&self) -> Relation {
        let replica_identity = match self.flags {
            (false, false) => ReplicaIdentity::Default,
            (false, true) => ReplicaIdentity::Nothing,
            (true, false) => ReplicaIdentity::Full,
            (true, true) => ReplicaIdentity::Index,
        };
        let (namespace, name) = (self.namespace(), self.texts.0.clone());
        Relation {
            xid: self.xid,
            oid: self.oid,
            namespace,
            name,
            replica_identity,
            columns: self.relation_columns.clone(),
        }
    }

    /// The wire's empty text stands for the catalog: no schema has an empty name.
    fn namespace(&self) -> String {
        if self.texts.1.is_empty() {
            "pg_catalog".to_owned()
        } else {
            self.texts.1.clone()
        }
    }

    fn old(&self) -> OldTuple<'_> {
        let tuple = read(&self.tuples.0);
        if self.flags.0 {
            OldTuple::Key(tuple)
        } else {
            OldTuple::Full(tuple)
        }
    }
}

fn read(tuple: &[u8]) -> Tuple<'_> {
    Tuple::read(&mut Reader::new(tuple)).unwrap()
}

fn oid() -> impl Strategy<Value = Oid> {
    any::<u32>().prop_map(Oid::new)
}

/// Any text that a C string can hold.
fn text() -> impl Strategy<Value = String> {
    vec(
        any::<char>().prop_filter("ends a C string", |character| *character != '\0'),
        0..8,
    )
    .prop_map(String::from_iter)
}

fn relation_column() -> impl Strategy<Value = RelationColumn> {
    (any::<bool>(), text(), oid(), any::<i32>()).prop_map(|(is_key, name, type_oid, type_modifier)| {
        RelationColumn {
            is_key,
            name,
            type_oid,
            type_modifier,
        }
    })
}

/// A tuple's bytes.
fn tuple() -> impl Strategy<Value = Vec<u8>> {
    let column = (0..4, vec(any::<u8>(), 0..8));
    vec(column, 0..6).prop_map(|columns| {
        let columns: Vec<Column<'_>> = columns
            .iter()
            .map(|(kind, value)| match kind {
                0 => Column::Null,
                1 => Column::UnchangedToast,
                2 => Column::Text(value),
                _ => Column::Binary(value),
            })
            .collect();
        encode::tuple(&columns)
    })
}
