//! A small legacy shop: customers, orders, items, payments.
//!
//! Its transactions are those of a shop (placed, paid, changed, cancelled, refunded, removed), among them what change capture gets
//! wrong easily: wide values that stay unchanged, cascading deletes, altered primary keys, a key deleted and inserted again in one
//! transaction, a row inserted and updated in one transaction, rolled-back work.

use std::sync::atomic::{AtomicI64, Ordering};

use rand::RngExt;
use rand::rngs::StdRng;
use tokio_postgres::{Config, Transaction};

use super::{Load, LoadOptions, Workload};
use crate::error::{Error, Result};
use crate::journal;
use crate::postgres::Postgres;

/// Customers that the schema starts with.
const FIRST_CUSTOMERS: i32 = 100;
/// Later transactions choose among this many of the newest orders, so that they meet on the same rows now and then.
const RECENT_ORDERS: i64 = 200;
/// Bytes of a wide note: above the size (about 2 kB) at which a value is stored out of line.
const NOTE_BYTES: usize = 3000;

type Written = std::result::Result<u64, tokio_postgres::Error>;

/// The shop's tables in `public`, with a hundred customers.
#[derive(Debug)]
pub struct Shop {
    newest_order: AtomicI64,
}

impl Shop {
    /// The captured tables.
    pub const TABLES: [&'static str; 4] = [
        "public.customers",
        "public.orders",
        "public.items",
        "public.payments",
    ];

    /// Creates the tables; the journal starts after the first customers.
    ///
    /// # Errors
    /// What the server says.
    pub async fn create(postgres: &Postgres) -> Result<Shop> {
        let client = postgres.client().await?;
        let refused = |source| Error::Postgres {
            action: "the tables of the shop".to_owned(),
            source,
        };
        client
            .batch_execute(include_str!("shop.sql"))
            .await
            .map_err(refused)?;
        let keys: [&[&str]; 4] = [&["id"], &["id"], &["order_id", "line"], &["id"]];
        for (table, key) in Shop::TABLES.into_iter().zip(keys) {
            journal::install(&client, table, key).await?;
        }
        Ok(Shop {
            newest_order: AtomicI64::new(0),
        })
    }

    /// The shop that [`create`](Shop::create) made earlier, for a second load.
    pub fn existing() -> Shop {
        Shop {
            newest_order: AtomicI64::new(RECENT_ORDERS),
        }
    }

    /// Starts the shop's business.
    pub fn run(self, postgres: &Postgres, options: &LoadOptions) -> Load {
        self.run_at(&postgres.config(), options)
    }

    /// The same at whatever server is found by this, such as [`Postgres::config_of_either`].
    pub fn run_at(self, config: &Config, options: &LoadOptions) -> Load {
        Load::start(config, options, self)
    }

    fn some_order(&self, random: &mut StdRng) -> i64 {
        let newest = self.newest_order.load(Ordering::Relaxed).max(1);
        random.random_range((newest - RECENT_ORDERS).max(1)..=newest)
    }

    async fn place(&self, transaction: &Transaction<'_>, random: &mut StdRng) -> Written {
        let customer = random.random_range(1..=FIRST_CUSTOMERS);
        let cents = random.random_range(100..50_000);
        let row = transaction
            .query_one(
                &format!("INSERT INTO orders (customer_id, total) VALUES ({customer}, {cents} / 100.0) RETURNING id"),
                &[],
            )
            .await?;
        let order: i64 = row.try_get(0)?;
        let lines = random.random_range(1..=4);
        let sku = random.random_range(1..10_000);
        let items = transaction
            .execute(
                &format!(
                    "INSERT INTO items SELECT {order}, n, 'SKU-' || {sku} + n, n * 2, ({cents} + n) / 100.0
                     FROM generate_series(1, {lines}) n"
                ),
                &[],
            )
            .await?;
        self.newest_order.fetch_max(order, Ordering::Relaxed);
        if random.random_ratio(1, 10) {
            transaction
                .execute(
                    &format!("UPDATE orders SET status = 'paid' WHERE id = {order}"),
                    &[],
                )
                .await?;
            return Ok(2 + items);
        }
        Ok(1 + items)
    }
}

impl Workload for Shop {
    async fn write(&self, transaction: &Transaction<'_>, random: &mut StdRng) -> Written {
        let order = self.some_order(random);
        match random.random_range(0..100) {
            0..40 => self.place(transaction, random).await,
            40..55 => pay(transaction, order, random).await,
            55..70 => change_customer(transaction, random).await,
            70..80 => cancel(transaction, order).await,
            80..88 => refund(transaction, order).await,
            88..92 => run_one(transaction, &format!("DELETE FROM orders WHERE id = {order}")).await,
            92..95 => renumber(transaction, order).await,
            95..97 => replace_item(transaction, order).await,
            97..99 => new_customer(transaction, random).await,
            _ => think_again(transaction, order).await,
        }
    }
}

async fn run_one(transaction: &Transaction<'_>, sql: &str) -> Written {
    transaction.execute(sql, &[]).await
}

async fn pay(transaction: &Transaction<'_>, order: i64, random: &mut StdRng) -> Written {
    let method = ["card", "invoice", "cash"][random.random_range(0..3)];
    let paid = run_one(
        transaction,
        &format!(
            "UPDATE orders SET status = 'paid', updated_at = now() WHERE id = {order} AND status = 'placed'"
        ),
    )
    .await?;
    let payment = format!(
        "INSERT INTO payments (order_id, amount, method, due)
         SELECT id, total, '{method}', current_date + 14 FROM orders WHERE id = {order} AND status = 'paid'"
    );
    Ok(paid + run_one(transaction, &payment).await?)
}

/// Changes a narrow column beside an unchanged wide one, or the wide one itself.
async fn change_customer(transaction: &Transaction<'_>, random: &mut StdRng) -> Written {
    let customer = random.random_range(1..=FIRST_CUSTOMERS);
    let number = random.random_range(0..1_000_000);
    let change = match random.random_range(0..4) {
        0 => format!("notes = '{}'", wide_text(number)),
        1 => format!("preferences = '{{\"theme\": {number}, \"tags\": [\"a\", \"b\"]}}'"),
        2 => format!("credit_limit = {number} / 100.0"),
        _ => "vip = NOT vip".to_owned(),
    };
    run_one(
        transaction,
        &format!("UPDATE customers SET {change} WHERE id = {customer}"),
    )
    .await
}

async fn new_customer(transaction: &Transaction<'_>, random: &mut StdRng) -> Written {
    let number: u64 = random.random();
    let notes = wide_text(random.random_range(0..1_000_000));
    let sql = format!(
        "INSERT INTO customers (email, full_name, notes) VALUES ('new{number}@example.com', 'Zoë O''Neil №{number}', '{notes}')"
    );
    run_one(transaction, &sql).await
}

async fn cancel(transaction: &Transaction<'_>, order: i64) -> Written {
    let cancelled = run_one(
        transaction,
        &format!("UPDATE orders SET status = 'cancelled', updated_at = now() WHERE id = {order} AND status = 'placed'"),
    )
    .await?;
    let items = run_one(
        transaction,
        &format!("DELETE FROM items WHERE order_id = {order} AND line > 1"),
    )
    .await?;
    Ok(cancelled + items)
}

async fn refund(transaction: &Transaction<'_>, order: i64) -> Written {
    let refunded = run_one(
        transaction,
        &format!(
            "UPDATE orders SET status = 'refunded', updated_at = now() WHERE id = {order} AND status = 'paid'"
        ),
    )
    .await?;
    let payment = format!(
        "INSERT INTO payments (order_id, amount, method)
         SELECT id, -total, 'refund' FROM orders WHERE id = {order} AND status = 'refunded'"
    );
    Ok(refunded + run_one(transaction, &payment).await?)
}

/// Alters primary keys. Far from the lines in use, then on to higher numbers, so that rows do not collide.
async fn renumber(transaction: &Transaction<'_>, order: i64) -> Written {
    let sql = format!("UPDATE items SET line = line + 100 WHERE order_id = {order} AND line < 30000");
    run_one(transaction, &sql).await
}

/// Deletes a key and inserts it again in the same transaction.
async fn replace_item(transaction: &Transaction<'_>, order: i64) -> Written {
    let deleted = run_one(
        transaction,
        &format!("DELETE FROM items WHERE order_id = {order} AND line = 1"),
    )
    .await?;
    if deleted == 0 {
        return Ok(0);
    }
    let sql = format!("INSERT INTO items VALUES ({order}, 1, 'SKU-again', 1, 9.99)");
    Ok(deleted + run_one(transaction, &sql).await?)
}

/// Writes, thinks better of it within the transaction, and writes something else.
async fn think_again(transaction: &Transaction<'_>, order: i64) -> Written {
    transaction.batch_execute("SAVEPOINT before_the_mistake").await?;
    run_one(
        transaction,
        &format!("DELETE FROM items WHERE order_id = {order}"),
    )
    .await?;
    transaction
        .batch_execute("ROLLBACK TO SAVEPOINT before_the_mistake")
        .await?;
    run_one(
        transaction,
        &format!("UPDATE orders SET updated_at = now() WHERE id = {order}"),
    )
    .await
}

fn wide_text(number: i32) -> String {
    format!("{number:08}").repeat(NOTE_BYTES / 8)
}
