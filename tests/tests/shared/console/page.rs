//! The console in a browser, as a user with a keyboard uses it.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use walcast_testbed::{Browser, ConnectorConfig, Key, axe_core, wait_until};
use walcast_tests::{LIMIT, await_that};

/// Whether the pictures of the documentation are written again.
const UPDATE_IMAGES: &str = "WALCAST_UPDATE_IMAGES";

/// Largest picture of the documentation.
const IMAGE_BYTES_MAX: usize = 150 << 10;

/// Pictures that the documentation shows.
const IMAGES: [&str; 2] = ["console-light", "console-dark"];

/// The page of a connector in a browser of its own.
pub(super) struct Page {
    pub(super) browser: Browser,
    /// Scheme, host and port.
    pub(super) origin: String,
}

impl Page {
    /// Opens the console of a connector that runs.
    pub(super) async fn open(config: &ConnectorConfig) -> Page {
        let browser = Browser::start().await.unwrap();
        // The tab that the browser opens at its start requests pages of the browser.
        browser.requested().await.unwrap();
        let origin = format!("http://{}", config.admin_address());
        browser.open(&format!("{origin}/")).await.unwrap();
        Page { browser, origin }
    }

    /// Text of an element; empty if there is none.
    pub(super) async fn text(&self, selector: &str) -> String {
        let script = "return document.querySelector(arguments[0])?.textContent ?? ''";
        self.string(script, selector, "").await
    }

    async fn string(&self, script: &str, first: &str, second: &str) -> String {
        let found = self.browser.run(script, &[json!(first), json!(second)]).await;
        found.unwrap().as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the text of an element is as wanted.
    pub(super) async fn await_text(&self, selector: &str, wanted: impl Fn(&str) -> bool) {
        let mut last = String::new();
        let what = format!("the text of {selector}");
        let awaited = wait_until(&what, LIMIT, async || {
            last = self.text(selector).await;
            Ok(wanted(&last))
        });
        if let Err(error) = awaited.await {
            panic!("{error}; it is {last:?}");
        }
    }

    /// Waits until an attribute of an element is as wanted.
    pub(super) async fn await_attribute(&self, selector: &str, name: &str, wanted: impl Fn(&str) -> bool) {
        let script = "return document.querySelector(arguments[0])?.getAttribute(arguments[1]) ?? ''";
        await_that(&format!("{name} of {selector}"), async || {
            wanted(&self.string(script, selector, name).await)
        })
        .await;
    }

    /// Waits until a dialog is open or closed.
    pub(super) async fn await_dialog(&self, selector: &str, is_open: bool) {
        let script = "return document.querySelector(arguments[0]).open";
        await_that(&format!("{selector} open: {is_open}"), async || {
            self.browser.run(script, &[json!(selector)]).await.unwrap() == is_open
        })
        .await;
    }

    /// Puts the focus on an element, and presses Enter.
    pub(super) async fn enter(&self, selector: &str) {
        let script = "const found = document.querySelector(arguments[0]); found.focus(); \
                      return document.activeElement === found";
        let focused = self.browser.run(script, &[json!(selector)]).await.unwrap();
        assert_eq!(focused, true, "{selector} takes no focus");
        self.browser.press(Key::Enter).await.unwrap();
    }

    /// Opens a section.
    pub(super) async fn show(&self, section: &str) {
        let script = "document.getElementById(arguments[0]).open = true";
        self.browser.run(script, &[json!(section)]).await.unwrap();
    }

    /// Presses the button of a section with this text; the dialog of its action is open then.
    pub(super) async fn press_button(&self, section: &str, label: &str) {
        self.show(section).await;
        let script = "const buttons = document.getElementById(arguments[0]).querySelectorAll('button'); \
                      const found = Array.from(buttons).find((one) => one.textContent === arguments[1]); \
                      found?.focus(); return found !== undefined && document.activeElement === found";
        await_that(&format!("button {label} of {section}"), async || {
            let arguments = [json!(section), json!(label)];
            self.browser.run(script, &arguments).await.unwrap() == true
        })
        .await;
        self.browser.press(Key::Enter).await.unwrap();
        self.await_dialog("#action-dialog", true).await;
    }

    /// Runs the action of a button, and returns its result.
    pub(super) async fn act(&self, section: &str, label: &str, fields: &[(&str, &str)]) -> String {
        self.press_button(section, label).await;
        for (name, value) in fields {
            let field = format!("#field-{name}");
            self.browser.type_into(&field, value).await.unwrap();
        }
        self.enter("#action-run").await;
        let is_result = |text: &str| !text.is_empty() && text != "Running…";
        self.await_text("#action-result", is_result).await;
        let result = self.text("#action-result").await;
        self.close().await;
        result.trim_end().to_owned()
    }

    /// Command of an action that is run on the command line only.
    pub(super) async fn command_of(&self, section: &str, label: &str) -> String {
        self.press_button(section, label).await;
        let command = self.text("#action-command").await;
        let hidden = "return document.getElementById('action-run').hidden";
        assert_eq!(self.browser.run(hidden, &[]).await.unwrap(), true, "{label}");
        self.close().await;
        command
    }

    async fn close(&self) {
        self.enter("#action-close").await;
        self.await_dialog("#action-dialog", false).await;
    }

    /// Types a token into the dialog that asks for it, and confirms.
    pub(super) async fn type_token(&self, token: &str) {
        self.await_dialog("#token-dialog", true).await;
        self.browser.type_into("#token-field", token).await.unwrap();
        self.browser.press(Key::Enter).await.unwrap();
        self.await_dialog("#token-dialog", false).await;
    }

    /// Asserts that nothing was written to the console of the browser, and that no request left the origin.
    pub(super) async fn assert_quiet(&self) {
        let console = self.browser.console().await.unwrap();
        assert!(console.is_empty(), "{console:#?}");
        let requested = self.browser.requested().await.unwrap();
        let own = format!("{}/", self.origin);
        let foreign = |url: &&String| url.contains("://") && !url.starts_with("chrome://");
        let foreign: Vec<&String> = requested
            .iter()
            .filter(foreign)
            .filter(|url| !url.starts_with(&own))
            .collect();
        assert!(foreign.is_empty(), "{foreign:#?}");
        assert!(requested.iter().any(|url| url.starts_with(&own)), "{requested:?}");
    }

    /// Asserts that axe finds no violation with all sections open and loaded.
    pub(super) async fn assert_accessible(&self, what: &str) {
        let open = "for (const section of document.querySelectorAll('details')) section.open = true";
        self.browser.run(open, &[]).await.unwrap();
        let loaded = "return Array.from(document.querySelectorAll('.message')).every((message) => \
                      !['Loading…', 'Being read from Kafka…'].includes(message.textContent))";
        await_that("the content of all sections", async || {
            self.browser.run(loaded, &[]).await.unwrap() == true
        })
        .await;
        let axe = tokio::task::spawn_blocking(axe_core).await.unwrap().unwrap();
        let script = format!(
            "{axe}; return axe.run().then(({{ violations }}) => violations.map(({{ id, nodes }}) => \
             id + ': ' + nodes.map((node) => node.html + ' ' + node.failureSummary).join('; ')))"
        );
        let violations = self.browser.run(&script, &[]).await.unwrap();
        assert_eq!(violations, Value::Array(Vec::new()), "{what}: {violations:#}");
    }

    /// Keeps a picture of the page under `target/console`, and with `WALCAST_UPDATE_IMAGES=1` that of the documentation.
    pub(super) async fn picture(&self, name: &str) {
        self.browser.run("window.scrollTo(0, 0)", &[]).await.unwrap();
        let picture = self.browser.screenshot().await.unwrap();
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("console");
        write(&target, name, &picture);
        if std::env::var_os(UPDATE_IMAGES).is_some() && IMAGES.contains(&name) {
            assert!(
                picture.len() <= IMAGE_BYTES_MAX,
                "{name}: {} bytes",
                picture.len()
            );
            write(&PathBuf::from("../docs/images"), name, &picture);
        }
    }
}

fn write(folder: &Path, name: &str, picture: &[u8]) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join(format!("{name}.png")), picture).unwrap();
}
