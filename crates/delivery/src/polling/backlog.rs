//! Backlog of polled outboxes, for observers.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use tokio::sync::watch;
use walcast_mapper::TableName;

/// Backlog of an outbox at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Backlog {
    /// Number of rows whose events are to be sent, counted up to [`PENDING_MAX`].
    pub pending: u64,
    /// Age of the oldest of them; `None` if there is none, or if no column has the time.
    pub oldest: Option<Duration>,
    /// Oldest transaction that writes to the outbox, for which later rows wait.
    pub gate: Option<GateHolder>,
}

/// Number up to which rows are counted. An exact number of more rows would cost reading them every few seconds.
pub const PENDING_MAX: u64 = 100_000;

/// Transaction that writes to an outbox.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GateHolder {
    /// Process of the session; `None` for a prepared transaction.
    pub pid: Option<i32>,
    /// Transaction ID; `None` before the first row.
    pub xid: Option<String>,
    /// Age of the transaction; `None` if the server does not show it to this role.
    pub age: Option<Duration>,
    /// `application_name` of the session.
    pub application_name: String,
    /// State of the session; empty if the server does not show it to this role.
    pub state: String,
    /// Time at which the last statement of the session began, as the server prints it.
    pub query_start: Option<String>,
}

impl GateHolder {
    /// Statement for an administrator that ends the transaction.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self.pid {
            Some(pid) => format!("to end it: SELECT pg_terminate_backend({pid})"),
            None => "SELECT * FROM pg_prepared_xacts, and to end it: ROLLBACK PREPARED".to_owned(),
        }
    }
}

impl fmt::Display for GateHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut facts = Vec::new();
        match self.pid {
            Some(pid) => {
                write!(f, "process {pid}")?;
                facts.push(format!("application_name {:?}", self.application_name));
            }
            None => f.write_str("a prepared transaction")?,
        }
        facts.extend(self.xid.iter().map(|xid| format!("xid {xid}")));
        facts.extend(self.age.map(|age| format!("for {} s", age.as_secs())));
        match facts.as_slice() {
            [] => Ok(()),
            facts => write!(f, " ({})", facts.join(", ")),
        }
    }
}

/// Backlogs of the polled outboxes. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct BacklogState(watch::Sender<BTreeMap<TableName, Backlog>>);

impl BacklogState {
    /// Backlog of each polled outbox; empty for a connector that streams, and before the first sample.
    #[must_use]
    pub fn read(&self) -> BTreeMap<TableName, Backlog> {
        self.0.borrow().clone()
    }

    /// Sets the backlog of an outbox.
    pub(crate) fn set(&self, table: TableName, backlog: Backlog) {
        self.0.send_modify(|all| {
            all.insert(table, backlog);
        });
    }

    /// Forgets the backlog of an outbox, which is not known any more.
    pub(crate) fn forget(&self, table: &TableName) {
        self.0.send_modify(|all| {
            all.remove(table);
        });
    }

    /// Forgets the backlogs, which are not known any more.
    pub(crate) fn clear(&self) {
        self.0.send_replace(BTreeMap::new());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::GateHolder;

    #[test]
    fn holder_of_the_gate_is_named() {
        let mut holder = GateHolder {
            pid: Some(7),
            xid: Some("815".to_owned()),
            age: Some(Duration::from_millis(61_500)),
            application_name: "batch".to_owned(),
            ..GateHolder::default()
        };
        assert_eq!(
            holder.to_string(),
            "process 7 (application_name \"batch\", xid 815, for 61 s)"
        );
        assert_eq!(holder.remedy(), "to end it: SELECT pg_terminate_backend(7)");
        holder.pid = None;
        assert_eq!(holder.to_string(), "a prepared transaction (xid 815, for 61 s)");
    }
}
