//! Findings about a first start: which existing rows it reads.

use walcast_delivery::{CheckpointLog, CheckpointState, SnapshotMode, SourceState};
use walcast_postgres::RowEstimate;

use super::finding::Finding;
use crate::config::Config;
use crate::remedy::describe;

/// Existing rows that the next start reads if it is the first one; `None` if it is another one.
pub(super) async fn rows_of_first_start(
    config: &Config,
    source_state: &SourceState,
    log: &CheckpointLog,
) -> Option<Finding> {
    let current = log.current.as_ref();
    if current.is_some_and(|current| current.state != CheckpointState::CreatingSlot) {
        return None;
    }
    let finding = |ok, detail| Finding {
        name: "rows of the first start".to_owned(),
        ok,
        warning: false,
        detail,
    };
    let mode = config.delivery.snapshot.mode;
    if mode == SnapshotMode::Never {
        return Some(finding(
            true,
            "existing rows are not read, because [snapshot] mode is \"never\"".to_owned(),
        ));
    }
    Some(
        match walcast_postgres::estimate_rows(&config.postgres, source_state).await {
            Ok(estimate) => finding(true, text(&estimate, mode)),
            Err(error) => finding(false, describe(&error)),
        },
    )
}

fn text(estimate: &RowEstimate, mode: SnapshotMode) -> String {
    let RowEstimate {
        tables,
        rows,
        bytes,
        unanalyzed,
    } = estimate;
    let when = match mode {
        SnapshotMode::InitialOnly => "read, and then the connector ends",
        _ => "read first",
    };
    let mut text = format!(
        "existing rows of {tables} tables are {when}: about {rows} rows, {}",
        size(*bytes)
    );
    if *unanalyzed > 0 {
        text.push_str(&format!(
            " ({unanalyzed} of the tables were never analyzed, and their rows are estimated from their size)"
        ));
    }
    text
}

/// Number of bytes with a binary unit.
pub(in crate::cli) fn size(bytes: u64) -> String {
    let mut rest = bytes;
    for unit in ["bytes", "kB", "MB", "GB"] {
        if rest < 10_240 {
            return format!("{rest} {unit}");
        }
        rest /= 1024;
    }
    format!("{rest} TB")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::{RowEstimate, SnapshotMode, text};

    #[test]
    fn rows_are_announced_with_their_number_and_size() {
        let mut estimate = RowEstimate {
            tables: 3,
            rows: 1_200_000,
            bytes: 3 << 30,
            unanalyzed: 0,
        };
        expect!["existing rows of 3 tables are read first: about 1200000 rows, 3072 MB"]
            .assert_eq(&text(&estimate, SnapshotMode::Initial));
        (estimate.bytes, estimate.unanalyzed) = (8192, 1);
        expect!["existing rows of 3 tables are read, and then the connector ends: about 1200000 rows, 8192 bytes (1 of the tables were never analyzed, and their rows are estimated from their size)"]
            .assert_eq(&text(&estimate, SnapshotMode::InitialOnly));
    }
}
