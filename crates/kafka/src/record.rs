//! Records of the mapper as records of librdkafka.

use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::BaseRecord;
use walcast_mapper::RecordView;

/// Record of librdkafka with the topic, partition, timestamp, key, value and headers of a mapper's record.
pub(crate) fn to_kafka<'a>(record: &RecordView<'a>) -> BaseRecord<'a, [u8], [u8]> {
    let mut kafka = BaseRecord::to(record.topic);
    kafka.partition = record.partition;
    kafka.timestamp = record.timestamp;
    kafka.key = record.key;
    kafka.payload = record.value;
    let mut headers = record.headers();
    if let Some(first) = headers.next() {
        let owned = OwnedHeaders::new_with_capacity(1 + headers.size_hint().0);
        let insert = |owned: OwnedHeaders, header: walcast_mapper::Header<'_>| {
            owned.insert(Header {
                key: header.name,
                value: header.value,
            })
        };
        kafka.headers = Some(headers.fold(insert(owned, first), insert));
    }
    kafka
}

#[cfg(test)]
mod tests {
    use walcast_mapper::config::{DestinationRule, Encoding};
    use walcast_mapper::{
        ChangeContext, MapperConfig, Ordinal, Plan, RecordBuffer, RowChange, SchemaIds, TableMetadata,
    };
    use walcast_pgoutput::reader::Reader;
    use walcast_pgoutput::{
        Column, Lsn, Oid, PgTimestamp, Relation, RelationColumn, ReplicaIdentity, Tuple, Xid, encode,
    };

    use super::to_kafka;

    /// Relation without a key, so that records need no schema either.
    fn relation() -> Relation {
        let column = |name: &str| RelationColumn {
            is_key: false,
            name: name.to_owned(),
            type_oid: Oid::new(25),
            type_modifier: -1,
        };
        Relation {
            xid: None,
            oid: Oid::new(16_384),
            namespace: "public".to_owned(),
            name: "t".to_owned(),
            replica_identity: ReplicaIdentity::Full,
            columns: vec![column("kind"), column("part")],
        }
    }

    #[test]
    fn record_keeps_the_partition_that_its_row_names() {
        let mut config = MapperConfig::new("shop", "shop");
        (config.key, config.value) = (Encoding::Json, Encoding::Json);
        config.destinations = vec![DestinationRule {
            tables: "public.t".parse().unwrap(),
            topic_prefix: "events.".to_owned(),
            topic_column: "kind".to_owned(),
            partition_column: Some("part".to_owned()),
        }];
        let mut plan = Plan::compile(&relation(), &TableMetadata::default(), &config).unwrap();
        plan.bind_topic(
            "events.order",
            SchemaIds {
                key: None,
                value: None,
            },
        );
        let context = ChangeContext {
            xid: Xid::new(7),
            commit_lsn: Lsn::new(200),
            commit_time: PgTimestamp::from_unix_micros(0),
            lsn: Lsn::new(100),
            ordinal: Ordinal::new(0),
            previous_commit_end: None,
            origin: None,
            transaction_context: None,
            processed_at_unix_nanos: 0,
        };
        let mut buffer = RecordBuffer::new();
        for part in [Column::Text(b"3"), Column::Null] {
            let row = encode::tuple(&[Column::Text(b"order"), part]);
            let new = Tuple::read(&mut Reader::new(&row)).unwrap();
            plan.encode(&RowChange::Insert { new }, &context, None, &mut buffer)
                .unwrap();
        }
        let records = buffer.records().map(|record| to_kafka(&record));
        let destinations: Vec<_> = records.map(|record| (record.topic, record.partition)).collect();
        assert_eq!(destinations, [("events.order", Some(3)), ("events.order", None)]);
    }
}
