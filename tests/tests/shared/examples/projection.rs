//! A projection that is rebuilt, and one that comes later.

use serde_json::Value;
use tokio_postgres::Client;
use walcast_examples::Source;
use walcast_examples::projection::{self, Projection};
use walcast_tests::{Case, Instance, await_that, shared};

use super::{configuration, configure, results, until};

const LINES: &str = "INSERT INTO order_lines
    SELECT id, 1, 'sku ' || id % 4, id, id + 0.50, current_date - id * 9 FROM generate_series(1, 20) AS id";
const CHANGES: &str = "UPDATE order_lines SET quantity = 1, placed = current_date WHERE order_id = 20;
    DELETE FROM order_lines WHERE order_id = 7; UPDATE order_lines SET sku = 'sku 9' WHERE order_id = 3;
    INSERT INTO order_lines VALUES (21, 1, 'sku 1', 2, 9.99, current_date)";

/// A result as the source has it, and as the projection has it.
struct Compared {
    source: &'static str,
    projected: &'static str,
}

const SALES: Compared = Compared {
    source: "SELECT string_agg(sku || ' ' || n, ', ' ORDER BY sku)
        FROM (SELECT sku, sum(quantity)::bigint AS n FROM order_lines GROUP BY sku) AS sold",
    projected: "SELECT string_agg(sku || ' ' || pieces, ', ' ORDER BY sku) FROM sales.result",
};
const REVENUE: Compared = Compared {
    source:
        "SELECT string_agg(sku || ' ' || n, ', ' ORDER BY sku) FROM (SELECT sku, sum(quantity * price) AS n
        FROM order_lines WHERE placed > current_date - 90 GROUP BY sku) AS sold",
    projected: "SELECT string_agg(sku || ' ' || revenue, ', ' ORDER BY sku) FROM revenue.result",
};

/// The result of a projection; none while it has none.
async fn projected(model: &Client, compared: &Compared) -> Option<String> {
    model.query_one(compared.projected, &[]).await.ok()?.get(0)
}

#[tokio::test]
async fn projections_are_built_from_the_topic_alone_whenever_they_come() {
    let mut case = Case::new("example_projection").await;
    configure(&mut case, &configuration("projection"));
    case.config = case.config.clone().set("kafka.topics.partitions", 3);
    case.sql(include_str!("../../../../examples/projection/schema.sql"))
        .await;
    let mut instance = Instance::start(&case.config).await;
    case.sql(LINES).await;
    let servers = shared().await;
    let source = Source {
        brokers: servers.kafka().brokers(),
        registry: servers.registry().url(),
        topic: "example_projection.public.order_lines".to_owned(),
    };
    let (url, model) = results(&case).await;
    await_that("the topic of the lines", async || {
        let names = walcast_testbed::topic_names(&source.brokers).await.unwrap();
        names.contains(&source.topic)
    })
    .await;
    // Runs a projection until it has the result of the source.
    let build = async |source: &Source, projection, compared: &'static Compared| {
        let expected = case.text(compared.source).await;
        assert!(!expected.is_empty());
        let run = Box::pin(projection::run(projection, source, &url, std::future::pending()));
        let built = await_that("the result of the source", async || {
            projected(&model, compared).await.as_ref() == Some(&expected)
        });
        until(run, built).await;
    };

    build(&source, Projection::Sales, &SALES).await;
    case.sql(CHANGES).await;
    // Continues behind the records that it has applied.
    build(&source, Projection::Sales, &SALES).await;
    projection::drop_schema(Projection::Sales, &url).await.unwrap();
    assert_eq!(projected(&model, &SALES).await, None);
    build(&source, Projection::Sales, &SALES).await;
    // Built from records that were written before it was wanted.
    build(&source, Projection::Revenue, &REVENUE).await;
    case.await_transactions().await;

    // The same from the copies of a window.
    let first = case.command(&["history", "public.order_lines", "order_id=1,line=1", "--json"]);
    let first: Value = serde_json::from_str(&first.await.stdout).unwrap();
    let from = first["changes"][0]["lsn"].as_str().unwrap();
    let replayed = case
        .command(&["replay", "start", "--from", from, "--into", "window"])
        .await;
    assert_eq!(replayed.code, Some(0), "{replayed:#?}");
    instance.stop().await;
    projection::drop_schema(Projection::Revenue, &url).await.unwrap();
    let window = Source {
        topic: format!("window.{}", source.topic),
        ..source.clone()
    };
    build(&window, Projection::Revenue, &REVENUE).await;
}
