//! Value that is read in the background when it is asked for, and kept for a while.
//!
//! A request does not wait for Kafka, except for a moment if nothing was read yet, and without requests nothing is read.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::timeout;

/// Time after which a value is read again.
const VALID: Duration = Duration::from_secs(15);

/// How long the first value is waited for.
const FIRST_MAX: Duration = Duration::from_millis(500);

/// Source of a value. Clones share what was read.
#[derive(Debug)]
pub(crate) struct BackgroundRead<T>(watch::Sender<Cached<T>>);

#[derive(Debug)]
struct Cached<T> {
    value: Option<Arc<T>>,
    /// Time of the last read that succeeded.
    as_of: Option<Timestamp>,
    error: Option<String>,
    /// End of the last read.
    ended: Option<Instant>,
    is_reading: bool,
}

/// What is known of a value.
#[derive(Debug)]
pub(crate) struct View<T> {
    /// Value; `None` before the first read that succeeded.
    pub(crate) value: Option<Arc<T>>,
    /// Time of that read, in UTC.
    pub(crate) as_of: Option<String>,
    /// Reason why the last read failed.
    pub(crate) error: Option<String>,
}

impl<T> Clone for BackgroundRead<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for BackgroundRead<T> {
    fn default() -> Self {
        Self(watch::Sender::new(Cached {
            value: None,
            as_of: None,
            error: None,
            ended: None,
            is_reading: false,
        }))
    }
}

impl<T: Send + Sync + 'static> BackgroundRead<T> {
    /// What is known, after a read was started if the last one is too old.
    pub(crate) async fn view<F>(&self, read: impl FnOnce() -> F) -> View<T>
    where
        F: Future<Output = Result<T, String>> + Send + 'static,
    {
        let mut changes = self.0.subscribe();
        let is_old = |cached: &Cached<T>| cached.ended.is_none_or(|ended| ended.elapsed() >= VALID);
        self.start_if(is_old, read);
        // Whatever is known then is the answer.
        drop(timeout(FIRST_MAX, changes.wait_for(|cached| cached.ended.is_some())).await);
        self.known()
    }

    /// Reads the value, unless it is being read, and waits for it.
    pub(crate) async fn renew<F>(&self, read: impl FnOnce() -> F) -> View<T>
    where
        F: Future<Output = Result<T, String>> + Send + 'static,
    {
        self.start_if(|_| true, read);
        // The sender is this value, so that waiting ends by the read only.
        drop(self.0.subscribe().wait_for(|cached| !cached.is_reading).await);
        self.known()
    }

    /// What was read last.
    pub(crate) fn known(&self) -> View<T> {
        let cached = self.0.borrow();
        View {
            value: cached.value.clone(),
            as_of: cached.as_of.map(|at| at.to_string()),
            error: cached.error.clone(),
        }
    }

    fn start_if<F>(&self, is_due: impl FnOnce(&Cached<T>) -> bool, read: impl FnOnce() -> F)
    where
        F: Future<Output = Result<T, String>> + Send + 'static,
    {
        let begins = self.0.send_if_modified(|cached| {
            let begins = !cached.is_reading && is_due(cached);
            cached.is_reading |= begins;
            begins
        });
        if !begins {
            return;
        }
        let (sender, reading) = (self.0.clone(), tokio::spawn(read()));
        tokio::spawn(async move {
            let read = match reading.await {
                Ok(read) => read,
                Err(ended) => Err(ended.to_string()),
            };
            sender.send_modify(|cached| {
                match read {
                    Ok(value) => {
                        cached.value = Some(Arc::new(value));
                        cached.as_of = Timestamp::from_second(Timestamp::now().as_second()).ok();
                        cached.error = None;
                    }
                    Err(error) => cached.error = Some(error),
                }
                cached.ended = Some(Instant::now());
                cached.is_reading = false;
            });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failed_read_keeps_what_was_read_before() {
        let source = BackgroundRead::default();
        let view = source.renew(|| async { Ok(7) }).await;
        assert_eq!((view.value.as_deref(), view.error), (Some(&7), None));
        assert!(view.as_of.is_some());
        let view = source.renew(|| async { Err("no broker".to_owned()) }).await;
        assert_eq!(view.value.as_deref(), Some(&7));
        assert_eq!(view.error.as_deref(), Some("no broker"));
        assert!(view.as_of.is_some());
    }

    #[tokio::test]
    async fn a_recent_value_is_not_read_again() {
        let source = BackgroundRead::default();
        source.renew(|| async { Ok(7) }).await;
        let view = source.view(|| async { Ok(8) }).await;
        assert_eq!(view.value.as_deref(), Some(&7));
    }

    fn panic_with(text: &str) -> String {
        panic!("{text}")
    }

    #[tokio::test]
    async fn a_read_that_panics_is_an_error() {
        let source: BackgroundRead<u8> = BackgroundRead::default();
        let view = source.renew(|| async { Err(panic_with("unreadable")) }).await;
        assert_eq!(view.value, None);
        assert!(view.error.is_some());
    }
}
