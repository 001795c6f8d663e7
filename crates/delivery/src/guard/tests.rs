use std::collections::VecDeque;

use super::*;
use crate::edge::{BoxedFault, Fault};

const MB: u64 = 1 << 20;

#[derive(Debug, thiserror::Error)]
#[error("the connection is broken")]
struct Broken;

impl Fault for Broken {
    fn is_retryable(&self) -> bool {
        true
    }
}

/// What is found, look by look; the last again and again.
struct Eyes(VecDeque<Result<Option<WalLook>, Broken>>);

impl WalWatch for Eyes {
    async fn look(&mut self) -> Result<Option<WalLook>, BoxedFault> {
        Ok(self.0.pop_front().unwrap_or(Ok(None))?)
    }
}

/// A limit of 1000 MB, of which so much is left.
fn look(room_mb: u64) -> WalLook {
    let end = Lsn::new((2000 - room_mb) * MB);
    WalLook {
        end,
        restart_lsn: Some(Lsn::new(500 * MB)),
        confirmed_flush_lsn: Some(Lsn::new(500 * MB)),
        status: None,
        keep_size: Some(1000 * MB),
        safe_wal_size: i64::try_from(room_mb * MB).ok(),
        inactive: None,
        idle_timeout: None,
        catalog_xmin_age: Some(7),
        awaited_standbys: Vec::new(),
        max_wal_size: 100 * MB,
        directory: WalDirectory::NotAsked,
    }
}

/// A guardian that makes so many looks, one every ten seconds.
async fn after(looks: impl IntoIterator<Item = Result<Option<WalLook>, Broken>>) -> (Metrics, Status) {
    let eyes = Eyes(looks.into_iter().collect());
    let count = u32::try_from(eyes.0.len()).unwrap();
    let (metrics, (status, seen)) = (Metrics::default(), watch::channel(Status::default()));
    status.send_replace(Status::Retrying {
        error: "kafka: no broker answers".to_owned(),
        delay: Duration::from_secs(1),
    });
    let interval = Duration::from_secs(10);
    let config = GuardConfig {
        slot: "walcast_shop".to_owned(),
        interval,
        warn_before: Duration::from_secs(3600),
        wal_disk: None,
    };
    let guardian = Guardian::new(eyes, config, metrics.clone(), seen);
    let limit = interval * count - interval / 2;
    assert!(tokio::time::timeout(limit, guardian.run()).await.is_err());
    (metrics, status.borrow().clone())
}

fn labels() -> LimitLabels {
    LimitLabels {
        limit: "max_slot_wal_keep_size",
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_near_is_seen_and_who_holds_it() {
    let (metrics, status) = after([900, 890, 880, 870, 860].map(|room| Ok(Some(look(room))))).await;
    assert_eq!(status.word(), "retrying");
    let view = metrics.wal_board.read().unwrap();
    let (outlook, is_near) = view.limits[0];
    assert!(is_near, "{outlook:?}");
    assert_eq!(outlook.left, Some(Duration::from_secs(860)));
    assert!(
        matches!(view.holder, Some(Holder::NotStreaming { .. })),
        "{view:?}"
    );
    let figures = &metrics.wal;
    assert_eq!(figures.retained_bytes.get(), 640 * MB);
    assert_eq!(figures.catalog_xmin_age.get(), 7);
    let room = figures.room_bytes.get(&labels()).map(|gauge| gauge.get());
    assert_eq!(room, Some(860 * MB));
    let left = figures.left_seconds.get(&labels()).map(|gauge| gauge.get());
    assert_eq!(left, Some(860.0));
}

#[tokio::test(start_paused = true)]
async fn figures_that_nobody_keeps_up_are_not_told() {
    for blind in [Ok(None), Err(Broken)] {
        let (metrics, _) = after([Ok(Some(look(900))), Ok(Some(look(100))), blind]).await;
        assert_eq!(metrics.wal_board.read(), None);
        let figures = &metrics.wal;
        assert!(figures.room_bytes.get(&labels()).is_none());
        assert!(figures.left_seconds.get(&labels()).is_none());
        assert!(figures.outage_seconds.get(&labels()).is_none());
        assert!(figures.endangered.get(&labels()).is_none());
    }
}
