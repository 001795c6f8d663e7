//! A real Chromium without a window, driven through ChromeDriver.
//!
//! The protocol is W3C WebDriver: JSON over HTTP, of which tests need a dozen commands. ChromeDriver adds the logs of console and
//! network, and the commands of the developer tools: <https://www.w3.org/TR/webdriver2/>.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::command;
use crate::error::{Error, Result};
use crate::ports::Port;
use crate::server::Server;
use crate::spawn::bound_to_us;
use crate::state::StateFolder;

/// How long one command may take. Chromium starts in ten seconds where a machine is loaded.
const COMMAND_LIMIT: Duration = Duration::from_secs(240);

/// Key of an element in answers of the protocol.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Keys of the keyboard that tests press, as the protocol writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// The next element.
    Tab,
    /// Activates an element.
    Enter,
    /// Closes a dialog.
    Escape,
}

impl Key {
    fn code(self) -> &'static str {
        match self {
            Key::Tab => "\u{e004}",
            Key::Enter => "\u{e007}",
            Key::Escape => "\u{e00c}",
        }
    }
}

/// A browser with one tab. Dropping it ends the browser.
#[derive(Debug)]
pub struct Browser {
    _driver: Server,
    client: reqwest::Client,
    /// Address of the session.
    url: String,
    _port: Port,
    _state: StateFolder,
}

impl Browser {
    /// Starts the browser with an empty profile.
    ///
    /// # Errors
    /// Chromium or ChromeDriver is not installed, or does not start.
    pub async fn start() -> Result<Browser> {
        command::require(&["chromium", "chromedriver"])?;
        let state = StateFolder::create("browser")?;
        let port = Port::reserve()?;
        let address = format!("http://127.0.0.1:{}", port.number());
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(COMMAND_LIMIT)
            .build()
            .map_err(unreachable(&address))?;
        let mut driver = Server::new("the browser", state.join("log"));
        let mut command = bound_to_us("chromedriver", None);
        command
            .arg(format!("--port={}", port.number()))
            .env("HOME", state.path());
        let status = format!("{address}/status");
        driver
            .start(command, async || Ok(client.get(&status).send().await.is_ok()))
            .await?;
        let capabilities = capabilities(&state.join("profile").display().to_string());
        let opened = answer(
            "start",
            &address,
            client.post(format!("{address}/session")).json(&capabilities),
        )
        .await?;
        let session = opened["sessionId"].as_str().unwrap_or_default();
        Ok(Browser {
            url: format!("{address}/session/{session}"),
            _driver: driver,
            client,
            _port: port,
            _state: state,
        })
    }

    /// Opens a page; it is loaded when this returns.
    ///
    /// # Errors
    /// The page cannot be loaded.
    pub async fn open(&self, url: &str) -> Result<()> {
        self.post("open a page", "url", &json!({ "url": url }))
            .await
            .map(drop)
    }

    /// Runs the body of a function in the page, and returns its value, or that of the promise which it returns.
    ///
    /// # Errors
    /// The script throws.
    pub async fn run(&self, script: &str, arguments: &[Value]) -> Result<Value> {
        let body = json!({ "script": script, "args": arguments });
        self.post("run a script", "execute/sync", &body).await
    }

    /// Types a text into the first element of a CSS selector.
    ///
    /// # Errors
    /// There is none, or it takes no text.
    pub async fn type_into(&self, selector: &str, text: &str) -> Result<()> {
        let element = self.element(selector).await?;
        let path = format!("element/{element}/value");
        self.post(&format!("type into {selector}"), &path, &json!({ "text": text }))
            .await
            .map(drop)
    }

    /// Presses and releases a key, wherever the focus is.
    ///
    /// # Errors
    /// The browser refuses it.
    pub async fn press(&self, key: Key) -> Result<()> {
        let steps = json!([
            { "type": "keyDown", "value": key.code() },
            { "type": "keyUp", "value": key.code() },
        ]);
        let body = json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": steps }] });
        self.post("press a key", "actions", &body).await.map(drop)
    }

    /// Picture of what is visible, as PNG.
    ///
    /// # Errors
    /// The browser cannot take it.
    pub async fn screenshot(&self) -> Result<Vec<u8>> {
        let request = self.client.get(format!("{}/screenshot", self.url));
        let picture = answer("take a screenshot", &self.url, request).await?;
        let text = picture.as_str().unwrap_or_default();
        STANDARD.decode(text).map_err(|error| Error::Browser {
            action: "take a screenshot".to_owned(),
            reason: error.to_string(),
        })
    }

    /// Messages of the browser's console since the last call: errors of scripts, of loading and of the content security policy.
    ///
    /// # Errors
    /// The browser refuses it.
    pub async fn console(&self) -> Result<Vec<String>> {
        let entries = self.log("browser").await?;
        Ok(entries
            .iter()
            .map(|entry| format!("{} {}", entry["level"], entry["message"]))
            .collect())
    }

    /// Addresses that the page requested since the last call.
    ///
    /// # Errors
    /// The browser refuses it.
    pub async fn requested(&self) -> Result<Vec<String>> {
        let entries = self.log("performance").await?;
        let requests = entries.iter().filter_map(|entry| {
            let message: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let event = &message["message"];
            let is_request = event["method"] == "Network.requestWillBeSent";
            is_request
                .then(|| event["params"]["request"]["url"].as_str().map(str::to_owned))
                .flatten()
        });
        Ok(requests.collect())
    }

    /// Size of the visible part of the page, in CSS pixels.
    ///
    /// # Errors
    /// The browser refuses it.
    pub async fn resize(&self, width: u32, height: u32) -> Result<()> {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.developer_tools("Emulation.setDeviceMetricsOverride", &metrics)
            .await
    }

    /// Colors that the user prefers: `light` or `dark`.
    ///
    /// # Errors
    /// The browser refuses it.
    pub async fn prefer_colors(&self, scheme: &str) -> Result<()> {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.developer_tools("Emulation.setEmulatedMedia", &features)
            .await
    }

    async fn developer_tools(&self, method: &str, parameters: &Value) -> Result<()> {
        let body = json!({ "cmd": method, "params": parameters });
        self.post(method, "goog/cdp/execute", &body).await.map(drop)
    }

    async fn log(&self, kind: &str) -> Result<Vec<Value>> {
        let entries = self
            .post("read a log", "se/log", &json!({ "type": kind }))
            .await?;
        Ok(entries.as_array().cloned().unwrap_or_default())
    }

    async fn element(&self, selector: &str) -> Result<String> {
        let body = json!({ "using": "css selector", "value": selector });
        let found = self.post(&format!("find {selector}"), "element", &body).await?;
        Ok(found[ELEMENT].as_str().unwrap_or_default().to_owned())
    }

    async fn post(&self, action: &str, path: &str, body: &Value) -> Result<Value> {
        let request = self.client.post(format!("{}/{path}", self.url)).json(body);
        answer(action, &self.url, request).await
    }
}

/// What the session is to be: without a window and without Chromium's own requests, with both logs.
fn capabilities(profile: &str) -> Value {
    let mut arguments = vec![
        "--headless=new",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
        "--hide-scrollbars",
        "--window-size=1280,900",
    ];
    if rustix::process::geteuid().is_root() {
        // Chromium refuses to build its sandbox as root; the only pages are those of the tests.
        arguments.push("--no-sandbox");
    }
    let profile = format!("--user-data-dir={profile}");
    arguments.push(&profile);
    json!({ "capabilities": { "alwaysMatch": {
        "browserName": "chrome",
        "goog:chromeOptions": { "args": arguments },
        "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
    } } })
}

async fn answer(action: &str, url: &str, request: reqwest::RequestBuilder) -> Result<Value> {
    let response = request.send().await.map_err(unreachable(url))?;
    let is_success = response.status().is_success();
    let mut body: Value = response.json().await.map_err(unreachable(url))?;
    let value = body["value"].take();
    if is_success {
        return Ok(value);
    }
    let message = value["message"].as_str().unwrap_or_default();
    Err(Error::Browser {
        action: action.to_owned(),
        // The rest is a trace of addresses.
        reason: message.lines().next().unwrap_or_default().to_owned(),
    })
}

fn unreachable(url: &str) -> impl FnOnce(reqwest::Error) -> Error {
    let url = url.to_owned();
    move |source| Error::Http { url, source }
}
