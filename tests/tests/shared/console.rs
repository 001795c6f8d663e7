//! The web console in a real Chromium: what it shows, what it does, and what it never does.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod page;

use serde_json::{Value, json};
use walcast_testbed::Key;
use walcast_tests::{Case, Instance, await_that, http_with, lsn};

use self::page::Page;

/// A text that a page which writes markup would turn into an element.
const HOSTILE: &str = "<img src=x>";

/// Number of changes on the page.
const CHANGES: &str = "[data-figure=changes] small";

/// Rows that take minutes to read at the configured rate: commands on reading have something to command.
const ROWS: u32 = 20_000;

/// A case with a table `prices (id, price)` that can be quarantined.
async fn case(name: &str) -> Case<'static> {
    let mut case = Case::new(name).await;
    let rule = toml::Value::Table(toml::Table::from_iter([
        ("tables".to_owned(), "public.prices".into()),
        ("on_error".to_owned(), "quarantine".into()),
    ]));
    case.config = case
        .config
        .set("dead_letters.rules", toml::Value::Array(vec![rule]))
        .set("snapshot.rows_per_second", 50)
        .set("postgres.slot_check_interval", "1000ms")
        .set("postgres.idle_interval", "200ms");
    case.sql("CREATE TABLE prices (id int PRIMARY KEY, price numeric(10, 2))")
        .await;
    case
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_shows_changes_live_and_runs_each_action_with_the_token() {
    let case = case("cockpit").await;
    let mut instance = Instance::start(&case.config).await;
    let page = Page::open(&case.config).await;
    page.await_text("#state", |text| text == "streaming").await;
    page.await_text("#name", |text| text == "cockpit").await;

    // A row that is inserted moves the counters, without anything being done on the page.
    case.insert([1]).await;
    page.await_text(CHANGES, |text| text == "1 in total").await;
    page.await_text("#tables tbody", |text| text.contains("public.items"))
        .await;
    page.await_text("#positions dl", |text| text.contains("end of WAL"))
        .await;
    page.await_attribute("#plots path.curve", "d", |path| path.starts_with('M'))
        .await;

    numbers_are_readable(&page).await;
    keyboard_reaches_the_actions(&page).await;
    hostile_texts_stay_texts(&case, &page).await;
    hidden_page_asks_for_nothing(&case, &instance, &page).await;
    page.assert_quiet().await;

    requires_the_token(&page, &case).await;
    quarantine_is_shown_first_and_ended(&case, &page).await;
    snapshots_are_commanded(&case, &instance, &page).await;
    let result = page
        .act("bookmarks", "Create bookmark…", &[("name", "from_console")])
        .await;
    assert!(result.starts_with("Done. Position "), "{result}");
    page.await_text("#bookmarks tbody", |text| text.contains("from_console"))
        .await;
    for (section, button, command) in [
        ("verifications", "Verify…", "walcast verify"),
        ("replays", "Start replay…", "walcast replay start"),
        ("consumers", "Command…", "walcast consumers"),
    ] {
        let shown = page.command_of(section, button).await;
        assert!(shown.starts_with(command), "{shown}");
    }
    page.assert_quiet().await;

    for scheme in ["light", "dark"] {
        page.browser.prefer_colors(scheme).await.unwrap();
        page.assert_accessible(scheme).await;
        page.browser.resize(1280, 900).await.unwrap();
        page.picture(&format!("console-{scheme}")).await;
    }
    page.browser.resize(390, 844).await.unwrap();
    page.assert_accessible("on a phone").await;
    let overflow = "return document.documentElement.scrollWidth - window.innerWidth";
    assert_eq!(page.browser.run(overflow, &[]).await.unwrap(), 0);
    page.picture("console-phone").await;
    page.assert_quiet().await;

    instance.stop().await;
    page.await_text("#attention", |text| {
        text.contains("The connector does not answer")
    })
    .await;
    page.await_text("#announced", |text| {
        text.contains("The connector does not answer")
    })
    .await;
}

/// The functions with which the page writes numbers, positions and commands.
async fn numbers_are_readable(page: &Page) {
    let script = r#"return import("/console/format.js").then(({ bytes, seconds, rate, count, lsn, shell, option }) => [
        bytes(0), bytes(1536), bytes(null), seconds(0.12), seconds(59), seconds(5230), seconds(90061),
        rate(1234.5), count(1234567), String(lsn("1/16B3748")), shell("public.orders"), shell("it's"),
        shell("x\u001b\u202e"), option("--where", "-1 < id"),
    ])"#;
    let written = page.browser.run(script, &[]).await.unwrap();
    let wanted = json!([
        "0 B",
        "1.5 KiB",
        "–",
        "0.1 s",
        "59 s",
        "1 h 27 min",
        "1 d 1 h",
        "1,235/s",
        "1,234,567",
        "4318771016",
        "public.orders",
        r"'it'\''s'",
        r#""$(printf '\170\033\342\200\256')""#,
        "--where='-1 < id'",
    ]);
    assert_eq!(written, wanted);
}

/// The tab key alone leads from the start of the page to the token and to an action, and opens and closes its dialog.
async fn keyboard_reaches_the_actions(page: &Page) {
    let mut reached = Vec::new();
    while reached.last().is_none_or(|last: &String| last != "Read rows…") {
        page.browser.press(Key::Tab).await.unwrap();
        let active = "return document.activeElement.textContent";
        let active = page.browser.run(active, &[]).await.unwrap();
        reached.push(active.as_str().unwrap_or_default().to_owned());
        assert!(reached.len() < 20, "{reached:?}");
    }
    let ordered = ["Skip to the content", "Enter token", "Read rows…"];
    let found = reached.iter().filter(|text| ordered.contains(&text.as_str()));
    assert_eq!(found.collect::<Vec<_>>(), ordered, "{reached:?}");
    page.browser.press(Key::Enter).await.unwrap();
    page.await_dialog("#action-dialog", true).await;
    page.browser.press(Key::Escape).await.unwrap();
    page.await_dialog("#action-dialog", false).await;
}

/// A context of an application is shown as it is.
async fn hostile_texts_stay_texts(case: &Case<'_>, page: &Page) {
    let context = json!({ "user": HOSTILE });
    case.sql(&format!(
        "BEGIN; SELECT pg_logical_emit_message(true, 'walcast.context', '{context}'); \
         INSERT INTO items VALUES (2, 'b'); COMMIT"
    ))
    .await;
    page.show("transactions").await;
    page.await_text("#transactions tbody", |text| text.contains(HOSTILE))
        .await;
    let images = "return document.querySelectorAll('img').length";
    assert_eq!(page.browser.run(images, &[]).await.unwrap(), 0);
}

/// While the page is hidden it does not follow the connector, and it does again when it is shown.
async fn hidden_page_asks_for_nothing(case: &Case<'_>, instance: &Instance, page: &Page) {
    page.await_text(CHANGES, |text| text == "2 in total").await;
    let hide = "Object.defineProperty(document, 'hidden', { value: arguments[0], configurable: true }); \
                document.dispatchEvent(new Event('visibilitychange'))";
    page.browser.run(hide, &[json!(true)]).await.unwrap();
    page.await_attribute("html", "data-asking", |asking| asking == "false")
        .await;
    case.insert([3]).await;
    await_that("the change in the overview", async || {
        let overview = instance.page("api/v1/overview").await;
        let overview: Value = serde_json::from_str(&overview).unwrap();
        overview["totals"]["changes"] == 3
    })
    .await;
    assert_eq!(page.text(CHANGES).await, "2 in total");
    page.browser.run(hide, &[json!(false)]).await.unwrap();
    page.await_text(CHANGES, |text| text == "3 in total").await;
}

/// Without the token, and with another one, an action is rejected; with it, the button says so.
async fn requires_the_token(page: &Page, case: &Case<'_>) {
    page.press_button("tables", "Read rows…").await;
    page.browser
        .type_into("#field-tables", "public.items")
        .await
        .unwrap();
    page.await_text("#action-command", |text| {
        text == "walcast snapshot start --tables public.items"
    })
    .await;
    page.enter("#action-run").await;
    page.type_token("another").await;
    page.enter("#action-run").await;
    page.await_text("#action-result", |text| text.starts_with("send the token"))
        .await;
    page.enter("#action-close").await;
    page.await_dialog("#action-dialog", false).await;
    let mut rejected = Vec::new();
    await_that("the rejection in the console of the browser", async || {
        rejected.extend(page.browser.console().await.unwrap());
        !rejected.is_empty()
    })
    .await;
    assert!(rejected.iter().all(|line| line.contains("401")), "{rejected:?}");

    // A page of another origin is rejected with the token too.
    let token = std::fs::read_to_string(case.config.admin_token_file()).unwrap();
    let token = token.trim_end();
    let foreign = format!("Authorization: Bearer {token}\r\nOrigin: http://localhost:1\r\n");
    let url = format!("{}/api/v1/snapshot", page.origin);
    let answer = http_with("POST", &url, &foreign, r#"{"action":"pause"}"#).await;
    assert_eq!(answer.status, 403, "{}", answer.body);

    page.enter("#token-button").await;
    page.type_token(token).await;
    page.await_text("#token-button", |text| text == "Token entered")
        .await;
}

/// A table that is quarantined is named before everything else, until it is resumed.
async fn quarantine_is_shown_first_and_ended(case: &Case<'_>, page: &Page) {
    case.sql("INSERT INTO prices VALUES (1, 'NaN')").await;
    page.await_text("#attention", |text| text.contains("public.prices: quarantined"))
        .await;
    case.sql("UPDATE prices SET price = 1").await;
    let result = page.act("tables", "Resume", &[]).await;
    assert_eq!(result, "Done. Tables: public.prices.");
    page.await_text("#attention", |text| !text.contains("public.prices"))
        .await;
}

/// Reading is started, paused, resumed and stopped from the page.
async fn snapshots_are_commanded(case: &Case<'_>, instance: &Instance, page: &Page) {
    case.sql(&format!(
        "INSERT INTO items SELECT n, 'x' FROM generate_series(10, {ROWS}) n"
    ))
    .await;
    let end = lsn(&case.text("SELECT pg_current_wal_lsn()").await);
    await_that("the rows in Kafka", async || {
        instance.position("confirmed").await >= end
    })
    .await;
    let fields = [("tables", "public.items"), ("where", "id > 5")];
    let result = page.act("tables", "Read rows…", &fields).await;
    assert_eq!(result, "Done. Tables: public.items.");
    for (button, state) in [
        ("Pause reading", "paused"),
        ("Resume reading", "reading"),
        ("Stop reading", ""),
    ] {
        let result = page.act("tables", button, &[]).await;
        assert!(result.starts_with("Done."), "{button}: {result}");
        let note = "#tables summary .note";
        page.await_text(note, |text| match state {
            "" => !text.contains("existing rows"),
            state => text.contains(&format!("existing rows: {state}")),
        })
        .await;
    }
}
