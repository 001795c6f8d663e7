//! Futures that run together in one task, until one of them fails.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

/// Boxed future that borrows.
pub(super) type Boxed<'a, E> = Pin<Box<dyn Future<Output = Result<(), E>> + 'a>>;

/// Runs all futures to their end, or until one of them fails.
///
/// # Errors
/// The first error. The other futures are dropped.
pub(super) async fn all<E>(mut running: Vec<Boxed<'_, E>>) -> Result<(), E> {
    poll_fn(|context| {
        let mut failed = None;
        running.retain_mut(|future| match future.as_mut().poll(context) {
            Poll::Pending => true,
            Poll::Ready(Ok(())) => false,
            Poll::Ready(Err(error)) => {
                failed.get_or_insert(error);
                false
            }
        });
        match failed {
            Some(error) => Poll::Ready(Err(error)),
            None if running.is_empty() => Poll::Ready(Ok(())),
            None => Poll::Pending,
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::{Boxed, all};

    #[tokio::test]
    async fn ends_with_the_last_future_or_the_first_error() {
        let done: Vec<Boxed<'_, &str>> = vec![Box::pin(ready(Ok(()))), Box::pin(async { Ok(()) })];
        assert_eq!(all(done).await, Ok(()));
        let failing: Vec<Boxed<'_, &str>> = vec![Box::pin(pending()), Box::pin(ready(Err("broken")))];
        assert_eq!(all(failing).await, Err("broken"));
    }
}
