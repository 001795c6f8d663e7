//! Leadership lock: a session-level advisory lock on the captured database, which one instance of a connector holds. An instance
//! without the lock changes nothing, above all not in Kafka: initializing transactions there would fence the healthy leader.

use tokio_postgres::types::Type;

use walcast_delivery::ForeignHolder;

use super::query::{one, row, value};
use crate::connect::Client;
use crate::error::PostgresError;

const DOING: &str = "acquiring leadership";

/// First half of the lock's key, "walc", which separates it from other users of advisory locks.
const LOCK_CLASS: i32 = 0x7761_6c63;

/// Second half of the lock's key: the FNV-1a hash of the name, which is the same in every version.
fn lock_key(name: &str) -> i32 {
    name.bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        })
        .cast_signed()
}

/// Takes the lock of a name unless another session holds it. The lock ends with the session.
pub(crate) async fn try_lock(client: &Client, name: &str) -> Result<bool, PostgresError> {
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

/// Takes the lock of a name unless another session holds it. The lock ends with the transaction, which a pooler keeps in one session.
pub(crate) async fn try_transaction_lock(client: &Client, name: &str) -> Result<bool, PostgresError> {
    let sql = "SELECT pg_try_advisory_xact_lock($1, $2)";
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

/// Whether this session holds the lock. A pooler that assigns each statement to another server session loses it.
pub(crate) async fn holds_lock(client: &Client, name: &str) -> Result<bool, PostgresError> {
    let sql = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted \
               AND classid::int8 = $1 AND objid::int8 = $2 AND objsubid = 2)";
    let class = i64::from(LOCK_CLASS.cast_unsigned());
    let key = i64::from(lock_key(name).cast_unsigned());
    let row = one(client, DOING, sql, &[(&class, Type::INT8), (&key, Type::INT8)]).await?;
    value(DOING, &row, 0)
}

/// Holder of the lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LockHolder {
    /// The lock is free.
    Free,
    /// An instance of the connector, with the process ID of its server process.
    Instance { pid: i32 },
    /// A session of any other client.
    Foreign(ForeignHolder),
}

/// Holder of the lock of a name. Any role that may connect can take the lock, because its key is no secret. An instance of the
/// connector is recognized by two properties that the server shows to every role: its role, which cannot be forged, and its
/// application name. Both are compared with those of this session. A shared lock blocks instances too, and no instance takes
/// one.
pub(crate) async fn lock_holder(client: &Client, name: &str) -> Result<LockHolder, PostgresError> {
    const DOING: &str = "looking up the holder of the leadership lock";
    // Foreign sessions first: a shared lock can have several holders. A session that is ending may be in one of the views only.
    let sql = "SELECT l.pid, l.mode, coalesce(a.usename::text, ''), coalesce(a.application_name, ''), \
               coalesce(l.mode = 'ExclusiveLock' AND a.usesysid = me.usesysid \
                        AND a.application_name = me.application_name, false) AS is_ours \
               FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid \
               CROSS JOIN (SELECT usesysid, application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()) me \
               WHERE l.locktype = 'advisory' AND l.granted AND (l.pid IS NULL OR a.pid IS NOT NULL) \
               AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
               AND l.classid::int8 = $1 AND l.objid::int8 = $2 AND l.objsubid = 2 \
               ORDER BY is_ours, l.pid LIMIT 1";
    let class = i64::from(LOCK_CLASS.cast_unsigned());
    let key = i64::from(lock_key(name).cast_unsigned());
    let parameters = [(&class as _, Type::INT8), (&key as _, Type::INT8)];
    let Some(row) = row(client, DOING, sql, &parameters).await? else {
        return Ok(LockHolder::Free);
    };
    let pid: Option<i32> = value(DOING, &row, 0)?;
    let is_ours: bool = value(DOING, &row, 4)?;
    Ok(match pid {
        Some(pid) if is_ours => LockHolder::Instance { pid },
        pid => LockHolder::Foreign(ForeignHolder {
            pid,
            mode: value(DOING, &row, 1)?,
            role: value(DOING, &row, 2)?,
            application_name: value(DOING, &row, 3)?,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::lock_key;

    #[test]
    fn lock_key_is_stable() {
        // Instances of different versions must compute the same key.
        assert_eq!(lock_key(""), 0x811c_9dc5_u32.cast_signed());
        assert_eq!(lock_key("a"), 0xe40c_292c_u32.cast_signed());
        assert_ne!(lock_key("shop"), lock_key("shop2"));
    }
}
