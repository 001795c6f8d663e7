//! Pacing of reads: whether to pause before the next read.
//!
//! A walsender calls `send` once for each message. A reader that wakes for each of them competes for the core on which the server
//! decodes: while it catches up, reads at intervals of a millisecond or two nearly double the throughput, at a tenth of the reader's
//! CPU time. A reader that has caught up must not pause, or every change would be delayed.
//!
//! The rate is measured at the end of a time window, and never over the near-zero time between two reads.

use std::time::{Duration, Instant};

/// Window in which the rate is measured: a few pauses long, and too short to delay changes noticeably.
const WINDOW: Duration = Duration::from_millis(8);

/// Rate above which the reader counts as behind: ten thousand transactions a second and more. A backlog arrives at 15 to 60 KB/ms from
/// a server with idle cores, and at 5 to 10 KB/ms from one without, which profits most from the pauses.
const BEHIND_BYTES_PER_MS: u64 = 4 * 1024;

/// Rate below which the reader counts as caught up. Between the two rates its state does not change.
const CAUGHT_UP_BYTES_PER_MS: u64 = 2 * 1024;

const PAUSE_MIN: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_micros(2500);
const PAUSE_STEP: Duration = Duration::from_micros(500);

/// Decides after each read whether to pause before the next one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pacer {
    window_began: Instant,
    window_bytes: u64,
    /// Bytes read since the last pause.
    gathered_bytes: u64,
    /// Current pause; `None` when caught up.
    pause: Option<Duration>,
}

impl Pacer {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            window_began: now,
            window_bytes: 0,
            gathered_bytes: 0,
            pause: None,
        }
    }

    /// Records a read, and returns the pause before the next one.
    ///
    /// `drained` is whether the read emptied the socket; otherwise there is no pause. `capacity_bytes` is the capacity of the receive
    /// buffer.
    pub(super) fn after_read(
        &mut self,
        now: Instant,
        bytes: usize,
        drained: bool,
        capacity_bytes: usize,
    ) -> Option<Duration> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.window_bytes = self.window_bytes.saturating_add(bytes);
        self.gathered_bytes = self.gathered_bytes.saturating_add(bytes);
        if !drained {
            return None;
        }
        self.adapt(u64::try_from(capacity_bytes).unwrap_or(u64::MAX));
        self.gathered_bytes = 0;
        let elapsed = now.saturating_duration_since(self.window_began);
        if elapsed >= WINDOW {
            self.measure(elapsed);
            self.window_began = now;
            self.window_bytes = 0;
        }
        self.pause
    }

    /// Adapts the pause to the receive buffer: a buffer that fills up during a pause stops the sender, which costs throughput over a
    /// long round trip.
    fn adapt(&mut self, capacity_bytes: u64) {
        let Some(pause) = self.pause else { return };
        if self.gathered_bytes >= capacity_bytes / 4 * 3 {
            self.pause = Some((pause - PAUSE_STEP).max(PAUSE_MIN));
        } else if self.gathered_bytes <= capacity_bytes / 4 {
            self.pause = Some((pause + PAUSE_STEP).min(PAUSE_MAX));
        }
    }

    fn measure(&mut self, elapsed: Duration) {
        let per_ms = u128::from(self.window_bytes) * 1000 / elapsed.as_micros().max(1);
        if per_ms < u128::from(CAUGHT_UP_BYTES_PER_MS) {
            self.pause = None;
        } else if per_ms >= u128::from(BEHIND_BYTES_PER_MS) && self.pause.is_none() {
            self.pause = Some(PAUSE_MIN);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::{PAUSE_MAX, PAUSE_MIN, Pacer};

    const BUFFER: usize = 1024 * 1024;
    const MS: Duration = Duration::from_millis(1);

    /// Reads `bytes` every `gap` for `reads` times; the pause after each.
    fn run(
        pacer: &mut Pacer,
        now: &mut Instant,
        gap: Duration,
        bytes: usize,
        reads: usize,
    ) -> Vec<Option<Duration>> {
        (0..reads)
            .map(|_| {
                *now += gap;
                pacer.after_read(*now, bytes, true, BUFFER)
            })
            .collect()
    }

    #[test]
    fn a_steady_trickle_is_read_at_once() {
        let mut now = Instant::now();
        let mut pacer = Pacer::new(now);
        let pauses = run(&mut pacer, &mut now, MS, 300, 1000);
        assert!(pauses.iter().all(Option::is_none), "a pause at 300 KB/s");
    }

    #[test]
    fn a_burst_after_a_long_silence_is_read_at_once() {
        let mut now = Instant::now();
        let mut pacer = Pacer::new(now);
        // The window that ends with the burst is long, so its rate is low, however fast the burst itself was.
        let pauses = run(&mut pacer, &mut now, 1000 * MS, 200_000, 3);
        assert!(pauses.iter().all(Option::is_none));
    }

    #[test]
    fn a_flood_is_read_with_pauses_until_it_ends() {
        let mut now = Instant::now();
        let mut pacer = Pacer::new(now);
        let pauses = run(&mut pacer, &mut now, MS, 40_000, 100);
        assert!(
            pauses.iter().take(7).all(Option::is_none),
            "measured before the window ended"
        );
        assert_eq!(
            pauses.last(),
            Some(&Some(PAUSE_MAX)),
            "pauses grow while the buffer stays empty"
        );
        let after = run(&mut pacer, &mut now, 3 * MS, 1000, 10);
        assert_eq!(after.last(), Some(&None), "a pause after catching up");
    }

    #[test]
    fn a_buffer_that_fills_up_shortens_the_pause() {
        let mut now = Instant::now();
        let mut pacer = Pacer::new(now);
        run(&mut pacer, &mut now, MS, 40_000, 100);
        let pauses = run(&mut pacer, &mut now, 2 * MS, BUFFER, 10);
        assert_eq!(pauses.last(), Some(&Some(PAUSE_MIN)));
    }

    #[test]
    fn reads_available_bytes_before_any_pause() {
        let mut now = Instant::now();
        let mut pacer = Pacer::new(now);
        run(&mut pacer, &mut now, MS, 40_000, 100);
        assert_eq!(pacer.after_read(now, 16_384, false, BUFFER), None);
        assert!(pacer.after_read(now, 100, true, BUFFER).is_some());
    }

    proptest! {
        #[test]
        fn pauses_stay_within_their_bounds(reads in proptest::collection::vec((0u64..20_000, 0usize..4_000_000), 1..200)) {
            let mut now = Instant::now();
            let mut pacer = Pacer::new(now);
            for (gap_us, bytes) in reads {
                now += Duration::from_micros(gap_us);
                let pause = pacer.after_read(now, bytes, true, BUFFER);
                prop_assert!(pause.is_none_or(|pause| (PAUSE_MIN..=PAUSE_MAX).contains(&pause)));
            }
        }
    }
}
