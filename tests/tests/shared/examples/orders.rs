//! The dispute about order 8471 of the order service.

use serde_json::{Value, json};
use walcast_examples::order_service;
use walcast_tests::{Case, Instance, await_that};

use super::{configuration, configure, database};

/// Orders around order 8471, and the rate at which they are written.
const ORDERS: (u32, u32) = (20, 10_000);

/// What a command prints as JSON, or null if it fails.
async fn shown(case: &Case<'_>, arguments: &[&str]) -> Value {
    let finished = case.command(&[arguments, &["--json"][..]].concat()).await;
    serde_json::from_str(&finished.stdout).unwrap_or_default()
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field]
        .as_str()
        .unwrap_or_else(|| panic!("{field} of {value}"))
}

#[tokio::test]
async fn the_dispute_of_order_8471_is_answered_from_its_topic() {
    let mut case = Case::new("example_orders").await;
    configure(&mut case, &configuration("orders"));
    case.sql(include_str!("../../../../examples/orders/schema.sql"))
        .await;
    let mut instance = Instance::start(&case.config).await;
    let (orders, writes_per_second) = ORDERS;
    order_service::run(&database(&case), orders, writes_per_second)
        .await
        .unwrap();
    let arguments = ["history", "public.orders", "8471"];
    await_that("the changes of order 8471", async || {
        let changes = shown(&case, &arguments).await["changes"].take();
        changes.as_array().is_some_and(|changes| changes.len() >= 4)
    })
    .await;
    case.await_transactions().await;

    let history = shown(&case, &arguments).await;
    let changes = history["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 4, "{history:#}");
    for (change, (changed, context)) in changes.iter().zip([
        (json!("89.99"), "checkout"),
        (json!("79.99"), "coupon SAVE10"),
        (Value::Null, "ticket 311: parcel damaged"),
        (json!("0.00"), "refund of ticket 311"),
    ]) {
        let total = change["changed"]["total"]["new"].clone();
        assert_eq!(total, changed, "{change:#}");
        assert!(change["headers"].to_string().contains(context), "{change:#}");
    }
    let (coupon, refund) = (&changes[1], &changes[3]);

    // As the customer saw it after the coupon.
    let then = shown(&case, &[&arguments[..], &["--at", text(coupon, "lsn")]].concat()).await;
    assert_eq!(
        then["row"],
        json!({"id": 8471, "customer": "anna", "total": "79.99", "coupon": "SAVE10", "status": "placed"})
    );
    let blame = shown(&case, &["blame", "public.orders", "8471"]).await;
    for (column, change) in [("total", refund), ("status", refund), ("coupon", coupon)] {
        assert_eq!(
            blame["columns"][column]["change"]["id"], change["id"],
            "{blame:#}"
        );
    }
    let explained = shown(&case, &["explain", text(refund, "id")]).await;
    assert_eq!(explained["xid"], refund["xid"], "{explained:#}");
    assert!(
        explained["headers"].to_string().contains("billing"),
        "{explained:#}"
    );
    instance.stop().await;
}
