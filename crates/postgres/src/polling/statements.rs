//! SQL of an outbox. Names and values are quoted; operators and functions are those of the server.

use walcast_delivery::{HashRange, PENDING_MAX, RowKey, sql};
use walcast_mapper::config::PublishedMark;
use walcast_pgoutput::Oid;

use super::tables::{FoundTable, MarkColumn, TypedColumn};

/// Class of the advisory lock, "walp", by which transactions that mark rows are distinguished from those that add rows.
const MARKING_CLASS: i32 = 0x7761_6c70;

/// SQL of an outbox.
#[derive(Clone, Debug)]
pub(super) struct Statements {
    /// Quoted name.
    pub(super) table: String,
    pub(super) oid: Oid,
    keys: Vec<TypedColumn>,
    order: Vec<TypedColumn>,
    /// Columns of the relation.
    columns: Vec<String>,
    /// Places of the key among the columns of the relation.
    pub(super) key_places: Vec<usize>,
    /// Column with the id of the event.
    id: String,
    /// Column whose values are the keys of records.
    aggregate: String,
    payload: String,
    /// Condition of the rows whose events are to be sent.
    pending: String,
    /// The same for the definition of an index; empty where every row is to be sent.
    index_condition: String,
    /// Assignments that mark a row; `None`: the row is deleted.
    marks: Option<String>,
    created: Option<String>,
    /// Largest number of rows of a claim.
    rows_max: u32,
}

/// A column of the outbox, which is named `o` in every statement.
fn column(name: &str) -> String {
    format!("o.{}", sql::identifier(name))
}

/// Condition of the rows that are to be sent. `name` is the quoted name of the column.
fn pending(mark: &MarkColumn, name: &str) -> String {
    match (&mark.states, mark.category.as_str(), mark.is_not_null) {
        (Some((unpublished, _)), _, _) => format!("{name} = {}", sql::literal(unpublished)),
        (None, "B", true) => format!("NOT {name}"),
        (None, "B", false) => format!("{name} IS NOT TRUE"),
        (None, _, _) => format!("{name} IS NULL"),
    }
}

/// Assignment that marks a row.
fn assignment(mark: &MarkColumn) -> String {
    let name = sql::identifier(&mark.name);
    match (&mark.states, mark.category.as_str()) {
        (Some((_, published)), _) => format!("{name} = {}", sql::literal(published)),
        (None, "B") => format!("{name} = true"),
        (None, _) => format!("{name} = pg_catalog.clock_timestamp()"),
    }
}

impl Statements {
    pub(super) fn of(found: &FoundTable) -> Self {
        let (table, rule) = (&found.table, &found.table.rule);
        let columns = table.relation.columns.iter().map(|column| column.name.clone());
        let columns: Vec<String> = columns.collect();
        let place = |key: &TypedColumn| columns.iter().position(|column| *column == key.name);
        let deletes = rule.poll.published.first() == Some(&PublishedMark::Delete);
        let assignments: Vec<String> = found.marks.iter().map(assignment).collect();
        Self {
            table: sql::table(&table.name()),
            oid: table.relation.oid,
            key_places: found.keys.iter().filter_map(place).collect(),
            keys: found.keys.clone(),
            order: found.order.clone(),
            id: rule.id.clone(),
            aggregate: rule.key.clone(),
            payload: rule.payload.clone(),
            pending: match found.marks.first() {
                Some(mark) => pending(mark, &column(&mark.name)),
                None => "true".to_owned(),
            },
            index_condition: match found.marks.first() {
                Some(mark) => format!(" WHERE {}", pending(mark, &sql::identifier(&mark.name))),
                None => String::new(),
            },
            marks: (!deletes).then(|| assignments.join(", ")),
            created: rule.poll.created.clone(),
            rows_max: rule.poll.batch_rows,
            columns,
        }
    }

    /// Number of columns of the primary key. The digest of the event follows in a [`RowKey`].
    pub(super) fn key_columns(&self) -> usize {
        self.keys.len()
    }

    /// Digest of what the event is. After a failover to a standby that lacks commits, other rows may get the primary keys of rows that
    /// were lost: what Kafka has of the lost ones says nothing about them.
    fn digest(&self) -> String {
        let columns = [&self.id, &self.aggregate, &self.payload].map(|name| column(name));
        let columns = columns.join(", ");
        format!("pg_catalog.hashtextextended(ROW({columns})::pg_catalog.text COLLATE \"C\", 0)")
    }

    fn ordered(&self, direction: &str) -> String {
        let columns = self.order.iter();
        let columns: Vec<String> = columns
            .map(|one| format!("{}{direction}", column(&one.name)))
            .collect();
        columns.join(", ")
    }

    fn list(columns: &[TypedColumn]) -> String {
        let columns: Vec<String> = columns.iter().map(|one| column(&one.name)).collect();
        columns.join(", ")
    }

    /// Condition of an index on the rows that are to be sent; empty where all of them are.
    pub(super) fn index_condition(&self) -> &str {
        &self.index_condition
    }

    /// Takes the lock by which [`Statements::writers`] leaves this transaction out.
    pub(super) fn announce(&self) -> String {
        let key = self.oid.as_u32().cast_signed();
        format!("SELECT pg_catalog.pg_try_advisory_xact_lock_shared({MARKING_CLASS}, {key})")
    }

    /// Order values of the newest row whose event is to be sent.
    pub(super) fn newest(&self) -> String {
        format!(
            "SELECT {} FROM {} AS o WHERE {} ORDER BY {} LIMIT 1",
            Self::list(&self.order),
            self.table,
            self.pending,
            self.ordered(" DESC")
        )
    }

    /// Condition of the locks of transactions that write to the outbox, or to one of its partitions, and do not mark rows.
    fn is_writer(&self) -> String {
        let oid = self.oid.as_u32();
        format!(
            "l.locktype = 'relation' AND l.mode = 'RowExclusiveLock' AND l.granted \
             AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()) \
             AND (l.relation = {oid} OR l.relation IN (SELECT p.relid::pg_catalog.oid FROM pg_catalog.pg_partition_tree({oid}) AS p)) \
             AND NOT EXISTS (SELECT FROM pg_catalog.pg_locks AS own WHERE own.locktype = 'advisory' \
             AND own.virtualtransaction = l.virtualtransaction AND own.classid::pg_catalog.int8 = {MARKING_CLASS} \
             AND own.objid::pg_catalog.int8 = {oid} AND own.objsubid = 2)"
        )
    }

    /// Transactions that write to the outbox.
    pub(super) fn writers(&self) -> String {
        format!(
            "SELECT l.virtualtransaction FROM pg_catalog.pg_locks AS l WHERE {}",
            self.is_writer()
        )
    }

    /// Oldest transaction that writes to the outbox. Of a transaction with savepoints, several IDs are locked.
    pub(super) fn oldest_writer(&self) -> String {
        format!(
            "SELECT l.pid, x.transactionid, \
             EXTRACT(epoch FROM pg_catalog.clock_timestamp() - COALESCE(a.xact_start, t.prepared)), \
             COALESCE(a.application_name, ''), COALESCE(a.state, ''), a.query_start \
             FROM pg_catalog.pg_locks AS l LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid \
             LEFT JOIN pg_catalog.pg_locks AS x ON x.locktype = 'transactionid' AND x.mode = 'ExclusiveLock' \
             AND x.virtualtransaction = l.virtualtransaction \
             LEFT JOIN pg_catalog.pg_prepared_xacts AS t ON l.pid IS NULL AND t.transaction = x.transactionid \
             WHERE {} ORDER BY COALESCE(a.xact_start, t.prepared), pg_catalog.age(x.transactionid) DESC NULLS LAST, l.pid LIMIT 1",
            self.is_writer()
        )
    }

    /// Keys of the next rows of a range up to the bound, with the size of their payloads, the end of WAL, and the OID of the table that has
    /// the name now.
    pub(super) fn candidates(&self, range: HashRange, bound: &[String]) -> String {
        let mut conditions = self.pending.clone();
        if range.of > 1 {
            let HashRange { number, of } = range;
            let aggregate = column(&self.aggregate);
            conditions.push_str(&format!(
                " AND (COALESCE(pg_catalog.hashtext({aggregate}::pg_catalog.text COLLATE \"C\"), 0)::pg_catalog.int8 \
                 & 2147483647) % {of} = {number}"
            ));
        }
        let values: Vec<String> = self
            .order
            .iter()
            .zip(bound)
            .map(|(one, value)| typed(value, one))
            .collect();
        format!(
            "{} AND ({}) <= ({}) ORDER BY {} LIMIT {}",
            self.selected(&conditions),
            Self::list(&self.order),
            values.join(", "),
            self.ordered(""),
            self.rows_max
        )
    }

    /// Keys of the rows with a condition, with the size of their payloads, the end of WAL, and the OID of the table that has the name now.
    fn selected(&self, condition: &str) -> String {
        format!(
            "SELECT {}, COALESCE(pg_catalog.pg_column_size({}), 0), pg_catalog.pg_current_wal_insert_lsn(), \
             {}::pg_catalog.regclass::pg_catalog.oid FROM {} AS o WHERE {condition}",
            Self::list(&self.keys),
            column(&self.payload),
            sql::literal(&self.table),
            self.table
        )
    }

    /// Name of the cursor over the rows that a snapshot shows.
    fn cursor(&self) -> String {
        format!("walcast_move_{}", self.oid.as_u32())
    }

    /// Declares the cursor over the rows that are to be sent, as [`Statements::candidates`] shows them, in their order.
    pub(super) fn declare_cursor(&self) -> String {
        format!(
            "DECLARE {} NO SCROLL CURSOR FOR {} ORDER BY {}",
            self.cursor(),
            self.selected(&self.pending),
            self.ordered("")
        )
    }

    /// The outbox and its partitions whose files are not those that a snapshot shows. The function looks behind the snapshot.
    pub(super) fn rewritten(&self) -> String {
        let oid = self.oid.as_u32();
        format!(
            "SELECT 1 FROM pg_catalog.pg_class AS c WHERE c.relfilenode <> pg_catalog.pg_relation_filenode(c.oid) \
             AND (c.oid = {oid} OR c.oid IN (SELECT p.relid::pg_catalog.oid FROM pg_catalog.pg_partition_tree({oid}) AS p))"
        )
    }

    /// Reads further rows from the cursor.
    pub(super) fn fetch(&self) -> String {
        format!("FETCH FORWARD {} FROM {}", self.rows_max, self.cursor())
    }

    /// Those of the rows that are to be sent.
    pub(super) fn unsent(&self, keys: &[RowKey]) -> String {
        format!(
            "SELECT 1 FROM {} AS o JOIN {} ON {} WHERE {}",
            self.table,
            self.claimed(keys, false),
            self.is_claimed(false),
            self.pending
        )
    }

    /// Locks rows that no other session has locked, and reads them in their order: table, place, digest, and the columns of the relation.
    pub(super) fn locked(&self, keys: &[RowKey]) -> String {
        let columns: Vec<String> = self.columns.iter().map(|name| column(name)).collect();
        format!(
            "SELECT o.tableoid::pg_catalog.oid, o.ctid, {}, {} FROM {} AS o JOIN {} ON {} WHERE {} ORDER BY {} FOR UPDATE OF o SKIP LOCKED",
            self.digest(),
            columns.join(", "),
            self.table,
            self.claimed(keys, false),
            self.is_claimed(false),
            self.pending,
            self.ordered("")
        )
    }

    /// Marks rows, or deletes them. Rows that are marked already stay as they are.
    pub(super) fn mark(&self, keys: &[RowKey]) -> String {
        let (table, claimed, is_claimed) = (&self.table, self.claimed(keys, true), self.is_claimed(true));
        match &self.marks {
            Some(marks) => format!(
                "UPDATE {table} AS o SET {marks} FROM {claimed} WHERE {is_claimed} AND {}",
                self.pending
            ),
            None => format!("DELETE FROM {table} AS o USING {claimed} WHERE {is_claimed}"),
        }
    }

    /// Number of these rows that are not marked.
    pub(super) fn left(&self, keys: &[RowKey]) -> String {
        format!(
            "SELECT pg_catalog.count(*) FROM {} AS o JOIN {} ON {} WHERE {}",
            self.table,
            self.claimed(keys, true),
            self.is_claimed(true),
            self.pending
        )
    }

    /// Number of rows to be sent, and the age of the oldest in seconds.
    pub(super) fn backlog(&self) -> String {
        let (age, created) = match &self.created {
            Some(name) => (
                "EXTRACT(epoch FROM pg_catalog.clock_timestamp() - (pg_catalog.min(pending.created) FILTER (WHERE pg_catalog.isfinite(pending.created)))::pg_catalog.timestamptz)",
                format!("{} AS created", column(name)),
            ),
            None => ("NULL", "1 AS created".to_owned()),
        };
        format!(
            "SELECT pg_catalog.count(*), {age} FROM (SELECT {created} FROM {} AS o WHERE {} ORDER BY {} LIMIT {PENDING_MAX}) AS pending",
            self.table,
            self.pending,
            self.ordered("")
        )
    }

    /// Keys as a table, with their digests or without.
    fn claimed(&self, keys: &[RowKey], with_digests: bool) -> String {
        let rows: Vec<String> = keys
            .iter()
            .map(|key| {
                let values = self.keys.iter().zip(&key.0);
                let mut values: Vec<String> = values.map(|(one, value)| typed(value, one)).collect();
                if with_digests {
                    let digest = key.0.get(self.keys.len()).map_or("", String::as_str);
                    values.push(format!("{}::pg_catalog.int8", sql::literal(digest)));
                }
                format!("({})", values.join(", "))
            })
            .collect();
        let names = (0..self.keys.len()).map(|place| format!("k{place}"));
        let names: Vec<String> = names.chain(with_digests.then(|| "digest".to_owned())).collect();
        format!("(VALUES {}) AS claimed ({})", rows.join(", "), names.join(", "))
    }

    fn is_claimed(&self, with_digests: bool) -> String {
        let keys = self.keys.iter().enumerate();
        let keys = keys.map(|(place, one)| format!("{} = claimed.k{place}", column(&one.name)));
        let digest = with_digests.then(|| format!("{} = claimed.digest", self.digest()));
        let all: Vec<String> = keys.chain(digest).collect();
        all.join(" AND ")
    }
}

/// Value of a column, quoted.
fn typed(value: &str, column: &TypedColumn) -> String {
    format!("{}::{}", sql::literal(value), column.data_type)
}

#[cfg(test)]
mod tests;
