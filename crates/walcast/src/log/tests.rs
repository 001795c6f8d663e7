use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use tracing::{info, warn};

use super::*;
use crate::printable::tests::{hostile_text, is_harmless};

#[test]
fn flags_override_the_environment_which_overrides_the_configuration() {
    let configured = LogOptions {
        format: LogFormat::Json,
        level: "warn".to_owned(),
    };
    let flags = LogArgs {
        log_format: Some(LogFormat::Human),
        log_level: Some("debug".to_owned()),
    };
    let level = |args: &LogArgs, rust_log: Option<&str>| {
        args.resolve(rust_log.map(str::to_owned), configured.clone())
            .level
    };
    assert_eq!(level(&flags, Some("trace")), "debug");
    assert_eq!(level(&LogArgs::default(), Some("trace")), "trace");
    assert_eq!(level(&LogArgs::default(), Some("")), "warn");
    assert_eq!(level(&LogArgs::default(), None), "warn");
    assert_eq!(flags.resolve(None, configured.clone()).format, LogFormat::Human);
    assert_eq!(
        LogArgs::default().resolve(None, configured).format,
        LogFormat::Json
    );
}

#[test]
fn an_invalid_level_is_rejected() {
    let error = start(&LogOptions {
        format: LogFormat::Human,
        level: "a=b=c".to_owned(),
    })
    .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("log level \"a=b=c\" cannot be parsed"),
        "{error}"
    );
}

/// Writer that collects log lines.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn logged(format: LogFormat, log: impl FnOnce()) -> String {
    let logged = Logged::default();
    let (filter, writer) = (EnvFilter::new("info"), logged.clone());
    match format {
        LogFormat::Human => {
            tracing::subscriber::with_default(human(filter, move || writer.clone(), false).0, log);
        }
        LogFormat::Json => {
            let writer = move || PrintableJson(writer.clone());
            tracing::subscriber::with_default(json_lines(filter, writer).0, log);
        }
    }
    let bytes = logged.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

fn log_everywhere(text: &str) {
    let error = io::Error::other(text.to_owned());
    info!(relation = %text, debugged = ?text, plain = text, "relation mapped");
    warn!(error = &error as &(dyn std::error::Error + 'static), shown = %error, "{text}");
}

#[test]
fn a_name_cannot_forge_a_line_or_a_color() {
    let name = "we\"ird\n2026-01-01T00:00:00Z ERROR forged \u{1b}]0;PWN\u{7}\u{1b}[31m";
    let lines = logged(
        LogFormat::Human,
        || info!(relation = %name, r#type = 1, "relation mapped"),
    );
    assert!(
        lines.ends_with(
            " INFO relation mapped relation=we\"ird\\n2026-01-01T00:00:00Z ERROR forged \\u{1b}]0;PWN\\u{7}\\u{1b}[31m type=1\n"
        ),
        "{lines}"
    );
}

#[test]
fn colors_come_from_the_formatter_only() {
    let logged = Logged::default();
    let writer = logged.clone();
    let (lines, _) = human(EnvFilter::new("info"), move || writer.clone(), true);
    tracing::subscriber::with_default(lines, || info!(relation = %"a\u{1b}[31m", "mapped"));
    let lines = String::from_utf8(logged.0.lock().unwrap().clone()).unwrap();
    assert!(lines.contains("\u{1b}[3mrelation\u{1b}[0m"), "{lines:?}");
    assert!(!lines.contains("\u{1b}[31m"), "{lines:?}");
}

proptest! {
    #[test]
    fn any_event_is_one_human_readable_line(text in hostile_text()) {
        let lines = logged(LogFormat::Human, || log_everywhere(&text));
        prop_assert_eq!(lines.lines().count(), 2);
        prop_assert!(lines.chars().all(|character| character == '\n' || is_harmless(character)), "{:?}", lines);
    }

    #[test]
    fn any_event_is_one_line_of_json(text in hostile_text()) {
        let lines = logged(LogFormat::Json, || log_everywhere(&text));
        prop_assert_eq!(lines.lines().count(), 2);
        prop_assert!(lines.chars().all(|character| character == '\n' || is_harmless(character)), "{:?}", lines);
        for line in lines.lines() {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            let named = event.get("relation").unwrap_or(&event["message"]);
            prop_assert_eq!(named.as_str().unwrap(), text.as_str());
        }
    }
}

#[test]
fn the_level_changes_while_the_process_runs() {
    let logged = Logged::default();
    let writer = logged.clone();
    let (lines, replace) = human(EnvFilter::new("info"), move || writer.clone(), false);
    tracing::subscriber::with_default(lines, || {
        tracing::debug!("before");
        replace(EnvFilter::new("debug")).unwrap();
        tracing::debug!("after");
        replace(EnvFilter::new("warn")).unwrap();
        info!("last");
    });
    let lines = String::from_utf8(logged.0.lock().unwrap().clone()).unwrap();
    assert_eq!(lines.lines().count(), 1, "{lines:?}");
    assert!(lines.ends_with("DEBUG after\n"), "{lines:?}");
}
