//! A saga over the outboxes of four services, choreographed or orchestrated: reserve, charge, ship, and release where the payment fails.
//!
//! A reaction of a service is one database transaction: the id of the event in its inbox, the change, and the event that announces the
//! change in its outbox. An event that is read again is in the inbox already.

use std::future::Future;

use anyhow::Context;
use clap::ValueEnum;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::message::{BorrowedMessage, Message};
use serde_json::{Value as Json, json};
use tokio_postgres::Client;

use crate::postgres::connect;
use crate::{Decoder, Source, header};

const SCHEMA: &str = include_str!("../saga/schema.sql");
const RESERVE: &str = include_str!("../saga/reserve.sql");
const RELEASE: &str = include_str!("../saga/release.sql");
const CHARGE: &str = include_str!("../saga/charge.sql");
const SHIP: &str = include_str!("../saga/ship.sql");

/// Who decides what follows an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Style {
    /// Each service reacts to the events of the others
    Choreographed,
    /// The order service sends commands, and reacts to their results
    Orchestrated,
}

/// A service, by the schema that it writes, and its reactions: an event, and SQL with the order as `$1` and its content as `$2`.
struct Service {
    schema: &'static str,
    reactions: Vec<(&'static str, String)>,
}

/// SQL by which an order moves to another state. Only an order in the expected state moves, and sends the command that follows.
fn moved(from: &str, to: &str, command: Option<&str>) -> String {
    let (has_command, command) = (command.is_some(), command.unwrap_or_default());
    format!(
        "WITH moved AS (UPDATE orders.orders SET state = '{to}' WHERE id = $1::text AND state = '{from}' RETURNING id)
        INSERT INTO orders.outbox
        SELECT gen_random_uuid(), 'order', id, '{command}', $2::text::jsonb FROM moved WHERE {has_command}"
    )
}

impl Style {
    /// First event of a saga, and the state of its order.
    fn beginning(self) -> (&'static str, &'static str) {
        match self {
            Style::Choreographed => ("OrderPlaced", "placed"),
            Style::Orchestrated => ("ReserveStock", "reserving"),
        }
    }

    fn services(self) -> [Service; 4] {
        let service = |schema, reactions: &[(&'static str, &str)]| Service {
            schema,
            reactions: reactions
                .iter()
                .map(|(event, sql)| (*event, (*sql).to_owned()))
                .collect(),
        };
        match self {
            Style::Choreographed => [
                service("stock", &[("OrderPlaced", RESERVE), ("PaymentFailed", RELEASE)]),
                service("payment", &[("StockReserved", CHARGE)]),
                service("shipping", &[("PaymentCharged", SHIP)]),
                Service {
                    schema: "orders",
                    reactions: vec![
                        ("StockRejected", moved("placed", "cancelled", None)),
                        ("StockReleased", moved("placed", "cancelled", None)),
                        ("OrderShipped", moved("placed", "shipped", None)),
                    ],
                },
            ],
            Style::Orchestrated => [
                service("stock", &[("ReserveStock", RESERVE), ("ReleaseStock", RELEASE)]),
                service("payment", &[("ChargePayment", CHARGE)]),
                service("shipping", &[("ShipOrder", SHIP)]),
                Service {
                    schema: "orders",
                    reactions: vec![
                        ("StockRejected", moved("reserving", "cancelled", None)),
                        (
                            "StockReserved",
                            moved("reserving", "charging", Some("ChargePayment")),
                        ),
                        ("PaymentCharged", moved("charging", "shipping", Some("ShipOrder"))),
                        (
                            "PaymentFailed",
                            moved("charging", "compensating", Some("ReleaseStock")),
                        ),
                        ("StockReleased", moved("compensating", "cancelled", None)),
                        ("OrderShipped", moved("shipping", "shipped", None)),
                    ],
                },
            ],
        }
    }
}

/// Creates the tables of the services, and puts items in stock.
///
/// # Errors
/// The database fails.
pub async fn set_up(database: &str, sku: &str, available: i32) -> anyhow::Result<()> {
    let client = connect(database, SCHEMA).await?;
    let insert = "INSERT INTO stock.items VALUES ($1, $2) ON CONFLICT DO NOTHING";
    client.execute(insert, &[&sku, &available]).await?;
    Ok(())
}

/// Places an order: its row, and the event that begins its saga.
///
/// # Errors
/// The database fails.
pub async fn place(style: Style, database: &str, order: &str, sku: &str, card: &str) -> anyhow::Result<()> {
    let client = connect(database, SCHEMA).await?;
    let content = json!({"sku": sku, "quantity": 1, "amount": "50.00", "card": card}).to_string();
    let (event, state) = style.beginning();
    let sql = "WITH placed AS (INSERT INTO orders.orders VALUES ($1, $3) RETURNING id)
        INSERT INTO orders.outbox SELECT gen_random_uuid(), 'order', id, $4::text, $2::text::jsonb FROM placed";
    client
        .execute(sql, &[&order, &content, &state, &event])
        .await
        .context("the order was not placed")?;
    Ok(())
}

/// Runs all services until `stop` ends. `group` begins the names of their consumer groups.
///
/// # Errors
/// Kafka, the registry or the database fails. A later run continues at the first event that was not processed.
pub async fn run(
    style: Style,
    source: &Source,
    group: &str,
    database: &str,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let [one, two, three, four] = style
        .services()
        .map(|service| Box::pin(serve(service, source, group, database)));
    tokio::select! {
        failed = async { tokio::try_join!(one, two, three, four) } => failed.map(drop),
        () = stop => Ok(()),
    }
}

/// Reacts to events until an error occurs.
async fn serve(service: Service, source: &Source, group: &str, database: &str) -> anyhow::Result<()> {
    let mut client = connect(database, SCHEMA).await?;
    let consumer = source.consumer(&format!("{group}-{}", service.schema))?;
    consumer
        .subscribe(&[&source.topic])
        .context("cannot subscribe to the topic")?;
    let decoder = source.decoder();
    loop {
        let record = consumer.recv().await.context("no record could be read")?;
        react(&service, &mut client, &decoder, &record).await?;
        consumer
            .commit_message(&record, CommitMode::Async)
            .context("the offset was not committed")?;
    }
}

async fn react(
    service: &Service,
    client: &mut Client,
    decoder: &Decoder,
    record: &BorrowedMessage<'_>,
) -> anyhow::Result<()> {
    let text = |name| header(record, name).map(|value| String::from_utf8_lossy(value).into_owned());
    let event = text("eventType").context("the event has no type")?;
    let reaction = service.reactions.iter().find(|(name, _)| *name == event);
    let Some((_, sql)) = reaction else { return Ok(()) };
    let id = text("id").context("the event has no id")?;
    let (Json::String(order), Json::String(content)) = (
        decoder.json(record.key()).await?,
        decoder.json(record.payload()).await?,
    ) else {
        anyhow::bail!("event {id} has no key or no content");
    };
    let transaction = client.transaction().await?;
    let inbox = format!(
        "INSERT INTO {}.inbox VALUES ($1) ON CONFLICT DO NOTHING",
        service.schema
    );
    if transaction.execute(&inbox, &[&id]).await? == 1 {
        transaction
            .execute(sql, &[&order, &content])
            .await
            .with_context(|| format!("{} did not react to {event}", service.schema))?;
    }
    transaction.commit().await.context("the event was not processed")
}
