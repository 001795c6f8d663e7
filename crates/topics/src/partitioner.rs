//! The partition of a key, as Java's producer and librdkafka's `murmur2` partitioner choose it.

/// Partition of a key in a topic with this number of partitions; `None` for a topic without partitions.
///
/// See `org.apache.kafka.clients.producer.internals.BuiltInPartitioner.partitionForKey`.
#[must_use]
pub fn partition_of(key: &[u8], partitions: usize) -> Option<i32> {
    let partitions = u32::try_from(partitions).ok().filter(|count| *count > 0)?;
    let positive = murmur2(key) & 0x7FFF_FFFF;
    i32::try_from(positive % partitions).ok()
}

/// Seed, multiplier and shift of the hash in Kafka (`org.apache.kafka.common.utils.Utils.murmur2`).
const SEED: u32 = 0x9747_b28c;
const MULTIPLIER: u32 = 0x5bd1_e995;
const SHIFT: u32 = 24;

fn murmur2(bytes: &[u8]) -> u32 {
    // A key is far below 4 GiB; the hash takes the length modulo 2^32 in Java as well.
    let length = u32::try_from(bytes.len() & 0xFFFF_FFFF).unwrap_or_default();
    let mut hash = SEED ^ length;
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        let mut word = u32::from_le_bytes(*word).wrapping_mul(MULTIPLIER);
        word ^= word >> SHIFT;
        hash = hash.wrapping_mul(MULTIPLIER) ^ word.wrapping_mul(MULTIPLIER);
    }
    if !rest.is_empty() {
        for (place, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * place);
        }
        hash = hash.wrapping_mul(MULTIPLIER);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MULTIPLIER);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cases of Kafka's `UtilsTest.testMurmur2`.
    #[test]
    fn hashes_equal_kafkas() {
        for (text, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(text.as_bytes()).cast_signed(), hash, "{text}");
        }
    }

    #[test]
    fn a_partition_exists() {
        assert_eq!(partition_of(b"abc", 1), Some(0));
        assert_eq!(partition_of(b"abc", 6), Some(479_470_107 % 6));
        assert_eq!(partition_of(b"abc", 0), None);
    }
}
