//! Catalog queries, one file for each. The columns of a view depend on the server's version, and so do the queries; a failed
//! query is an error, never an answer.

mod blocking_transactions;
mod bookmarks;
mod captured_keys;
mod catalog_row;
mod catalog_value;
mod comparable;
mod conditions;
mod existing;
mod exported_snapshot;
mod failover;
mod foreign_functions;
mod headroom;
mod leadership;
mod membership;
mod outbox_rows;
mod preconditions;
mod privileges;
mod publication;
mod query;
mod readable;
mod reselect;
mod row_estimate;
mod server;
mod setup;
mod setup_script;
mod slot;
mod slot_holder;
mod slot_preconditions;
mod stored_texts;
mod survey;
mod table_description;
mod table_metadata;
mod tables;
mod types;
mod unreadable_columns;
mod unreadable_names;
mod unsent_key;
mod visible;
mod wal;

pub(crate) use blocking_transactions::awaited_transactions;
pub(crate) use bookmarks::{bookmarks, copy_slot, oldest_bookmark};
pub(crate) use captured_keys::find_unsent_keys;
pub(crate) use conditions::{condition_rejection, incomparable_column};
pub use existing::{ExistingColumn, ExistingTable, ExistingType};
pub(crate) use existing::{existing_tables, existing_types};
pub(crate) use exported_snapshot::{ExportedPosition, export_snapshot};
pub(crate) use failover::is_failover_slot;
pub(crate) use leadership::{LockHolder, holds_lock, lock_holder, try_lock, try_transaction_lock};
pub(crate) use membership::memberships;
pub(crate) use outbox_rows::{
    horizon, is_empty, missing_privileges, next_transaction, outbox_tables, remove,
};
pub(crate) use preconditions::{ROLE, existing_rows, preconditions};
pub(crate) use publication::{
    LeftPublication, TAIL_PREFIX, backend_pid, left_publications, publication, publication_names,
};
pub(crate) use query::{execute, rows, value};
pub(crate) use readable::{denied_tables, missing_rows, table_exists, unreadable_reason};
pub(crate) use reselect::reselect;
pub use row_estimate::RowEstimate;
pub(crate) use row_estimate::row_estimate;
pub(crate) use server::{cluster, server_state, wal_insert_lsn};
pub use setup::{Setup, SetupPurpose, SetupStatement};
pub(crate) use setup_script::{create_publication, read_tables, setup};
pub(crate) use slot::{drop_slot, slot};
pub(crate) use slot_holder::{slot_holder, terminate_walsender};
pub(crate) use survey::survey;
pub use survey::{Survey, SurveyedSlot, SurveyedTable};
pub(crate) use table_description::{
    Part, TableDescription, add_sizes, table_description, table_name, table_sizes,
};
pub(crate) use table_metadata::table_metadata;
pub(crate) use tables::captured_tables;
pub(crate) use unreadable_columns::{captured_names, check_names};
pub(crate) use unreadable_names::{UnreadableTable, unreadable_tables};
pub(crate) use wal::wal;
