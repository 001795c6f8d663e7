//! Questions to the catalog, one file each. Which columns a view has depends on the server's version: it is asked for by
//! version, and a failing question is an error, never an answer.

mod described;
mod facts;
mod failover;
mod leadership;
mod preconditions;
mod predecessor;
mod publication;
mod query;
mod readable;
mod reselect;
mod room;
mod server;
mod slot;
mod tables;
mod types;
mod visible;
mod wal;

pub(crate) use described::{Described, Part, described, sizes};
pub(crate) use facts::table_facts;
pub(crate) use failover::{FAILOVER_SLOTS_SINCE, is_failover_slot};
pub(crate) use leadership::{leads, try_lead};
pub use preconditions::{Outcome, Precondition};
pub(crate) use preconditions::{ROLE, preconditions, readable};
pub(crate) use predecessor::{end_stream, holder};
pub(crate) use publication::{backend_pid, leftover_publications, publication};
pub(crate) use query::execute;
pub(crate) use readable::{exists, gone, refuses};
pub(crate) use reselect::reselect;
pub(crate) use server::{cluster, end_of_log, server_state};
pub(crate) use slot::{drop_slot, slot};
pub(crate) use tables::{captured_tables, publishable_tables};
pub(crate) use wal::wal;
