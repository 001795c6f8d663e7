//! Bookmarks: what each retains and when it ends, and whether the limits of the server leave room for rolling ones.

use std::time::Duration;

use walcast_delivery::{BookmarkSample, BookmarkSlots, BookmarksInspected};
use walcast_postgres::PostgresBookmarks;

use super::finding::Finding;
use crate::bookmark_report::BookmarkReport;
use crate::config::Config;

/// Findings about bookmarks; none without bookmarks and without `every`. If the server cannot be queried, the other findings contain
/// the reason.
pub(super) async fn findings(config: &Config) -> Vec<Finding> {
    let Ok(mut slots) = PostgresBookmarks::connect(&config.postgres).await else {
        return Vec::new();
    };
    match slots.look().await {
        Ok(Some(sample)) => of(config, &sample),
        Ok(None) | Err(_) => Vec::new(),
    }
}

fn of(config: &Config, sample: &BookmarkSample) -> Vec<Finding> {
    let bookmarks = &config.bookmarks;
    let mut findings = Vec::new();
    if let Some(every) = bookmarks.every {
        let rolling = sample.bookmarks.iter().filter(|one| one.is_rolling()).count();
        let available = sample.free_slots + u64::try_from(rolling).unwrap_or(0);
        findings.push(slots(bookmarks.keep.get(), available));
        findings.extend(idle_timeout(every * bookmarks.keep.get(), sample.idle_timeout));
    }
    if bookmarks.every.is_some() || !sample.bookmarks.is_empty() {
        findings.extend(keep_size(bookmarks.wal_budget, sample.keep_size));
    }
    let warn_within = config.slot_monitor.warn_within.as_secs();
    let inspected = BookmarksInspected::of(sample, bookmarks.wal_budget);
    findings.extend(
        BookmarkReport::all(&inspected)
            .iter()
            .map(|report| bookmark(report, warn_within)),
    );
    findings
}

/// A new rolling bookmark is made before the oldest is dropped, and takes no last slot.
fn slots(keep: u32, available: u64) -> Finding {
    let needed = u64::from(keep) + 2;
    let warning = available < needed;
    let detail = if warning {
        format!(
            "rolling bookmarks need {needed} replication slots, two more than [bookmarks] keep, and {available} are free or held by them; \
             raise max_replication_slots, which needs a restart of the server, or lower keep"
        )
    } else {
        format!("{available} replication slots are free or held by rolling bookmarks; {needed} are needed")
    };
    Finding {
        name: "bookmarks".to_owned(),
        ok: true,
        warning,
        detail,
    }
}

fn idle_timeout(age: Duration, timeout: Option<Duration>) -> Option<Finding> {
    let timeout = timeout.filter(|timeout| *timeout < age)?;
    Some(Finding {
        name: "bookmarks".to_owned(),
        ok: true,
        warning: true,
        detail: format!(
            "idle_replication_slot_timeout invalidates bookmarks after {} s, before [bookmarks] every and keep replace them after {} s; \
             raise it, as no client streams from bookmarks",
            timeout.as_secs(),
            age.as_secs()
        ),
    })
}

fn keep_size(budget: u64, keep_size: Option<u64>) -> Option<Finding> {
    let keep_size = keep_size.filter(|bytes| *bytes < budget)?;
    Some(Finding {
        name: "bookmarks".to_owned(),
        ok: true,
        warning: true,
        detail: format!(
            "max_slot_wal_keep_size invalidates bookmarks at {keep_size} bytes, before [bookmarks] wal_budget drops them at {budget}; \
             lower wal_budget, so that their slots are dropped in time"
        ),
    })
}

fn bookmark(report: &BookmarkReport, warn_within: u64) -> Finding {
    let nearest = report
        .limits
        .first()
        .and_then(|limit| limit.time_to_limit_seconds);
    let is_near = nearest.is_some_and(|seconds| seconds < warn_within);
    let remedy = match (report.lost, is_near) {
        (true, _) => format!("; run: walcast bookmark drop {}", report.name),
        (false, true) => "; replay from it before that, or raise the limit".to_owned(),
        (false, false) => String::new(),
    };
    Finding {
        name: format!("bookmark {}", report.name),
        ok: true,
        warning: report.lost || is_near,
        detail: format!(
            "{} at {}, retains {} bytes of WAL, {}{remedy}",
            report.kind,
            report.lsn.as_deref().unwrap_or("no position"),
            report.retained_bytes,
            report.end()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_end_bookmarks_too_early_are_warned_of() {
        assert!(!slots(4, 6).warning);
        assert!(slots(4, 5).warning);
        let hour = Duration::from_secs(3600);
        assert_eq!(idle_timeout(hour, None), None);
        assert_eq!(idle_timeout(hour, Some(hour)), None);
        assert!(idle_timeout(2 * hour, Some(hour)).is_some_and(|finding| finding.warning));
        assert_eq!(keep_size(10, None), None);
        assert_eq!(keep_size(10, Some(10)), None);
        assert!(keep_size(10, Some(9)).is_some_and(|finding| finding.warning));
    }
}
