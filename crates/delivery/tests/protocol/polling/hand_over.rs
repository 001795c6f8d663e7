//! Hand-over of an outbox to a stream: each event once, whichever call fails, and no session polls after it.

use std::collections::BTreeSet;

use walcast_delivery::{DeliveryError, Disposition, Halt, PreparedStream};

use super::{Effect, Failing, Shared, poller};
use crate::fakes::World;

/// Stream whose slot and publication exist.
fn prepared() -> PreparedStream {
    let world = World::set_up();
    let source_state = world.postgres.read(|server| server.inspect());
    PreparedStream::check(&source_state, &world.config, BTreeSet::new()).expect("the server is set up")
}

fn is_streamed(error: &DeliveryError) -> bool {
    matches!(error, DeliveryError::Halt(Halt::StreamedBefore { .. }))
}

/// Repeats the hand-over until the outbox is streamed, and checks what is in Kafka.
async fn hand_over(failing: Option<Failing>) -> usize {
    let shared = Shared::new(failing);
    let mut is_handed_over = false;
    for _ in 0..3 {
        is_handed_over = match Box::pin(poller(&shared, 2).hand_over(prepared())).await {
            Ok(_) => true,
            Err(error) => is_streamed(&error),
        };
        if is_handed_over {
            break;
        }
    }
    assert!(is_handed_over, "{failing:?}");
    let calls = shared.0.borrow().calls;
    assert!(shared.is_done(), "{failing:?}");
    shared.verify(&format!("{failing:?}"));
    assert!(shared.0.borrow().claims.is_empty(), "{failing:?}");
    let polled = Box::pin(poller(&shared, 3).run(std::future::pending())).await;
    assert!(polled.is_err_and(|error| is_streamed(&error)), "{failing:?}");
    calls
}

#[tokio::test(start_paused = true)]
async fn each_event_is_sent_once_whichever_call_of_a_hand_over_fails() {
    let calls = hand_over(None).await;
    assert!(calls > 15, "{calls} calls");
    for number in 0..calls {
        for effect in [Effect::None, Effect::Full] {
            hand_over(Some((number, effect, Disposition::Stop))).await;
        }
    }
}
