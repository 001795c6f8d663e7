//! One instance leads a connector's name: a session lock on the captured database. Whoever does not hold it touches
//! nothing, above all not Kafka: initialising transactions there would fence the healthy leader.

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::query::{one, value};
use crate::error::PostgresError;

const DOING: &str = "asking for leadership";

/// The first half of the lock's key, "walc": keeps clear of other users of advisory locks.
const LOCK_CLASS: i32 = 0x7761_6c63;

/// The second half of the lock's key: FNV-1a, which stays the same over versions.
fn lock_key(name: &str) -> i32 {
    name.bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        })
        .cast_signed()
}

/// Takes the name's lock unless another session has it; it ends with the session.
pub(crate) async fn try_lead(client: &Client, name: &str) -> Result<bool, PostgresError> {
    let sql = "SELECT pg_try_advisory_lock($1, $2)";
    let key = lock_key(name);
    let row = one(
        client,
        DOING,
        sql,
        &[(&LOCK_CLASS, Type::INT4), (&key, Type::INT4)],
    )
    .await?;
    value(DOING, &row, 0)
}

/// Whether this very session holds the lock. A pooler that hands each statement to another server session loses it.
pub(crate) async fn leads(client: &Client, name: &str) -> Result<bool, PostgresError> {
    let sql = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted \
               AND classid::int8 = $1 AND objid::int8 = $2 AND objsubid = 2)";
    let class = i64::from(LOCK_CLASS.cast_unsigned());
    let key = i64::from(lock_key(name).cast_unsigned());
    let row = one(client, DOING, sql, &[(&class, Type::INT8), (&key, Type::INT8)]).await?;
    value(DOING, &row, 0)
}

#[cfg(test)]
mod tests {
    use super::lock_key;

    #[test]
    fn the_key_never_changes() {
        // Instances of different versions must agree on it.
        assert_eq!(lock_key(""), 0x811c_9dc5_u32.cast_signed());
        assert_eq!(lock_key("a"), 0xe40c_292c_u32.cast_signed());
        assert_ne!(lock_key("shop"), lock_key("shop2"));
    }
}
