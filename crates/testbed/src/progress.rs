//! Shows what is being downloaded: a spinner for a person, plain lines for a log.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How often the spinner turns.
const TICK: Duration = Duration::from_millis(120);

/// One step that takes a while, shown on standard error until it is dropped or done.
pub(crate) struct Step {
    what: String,
    started: Instant,
    spinner: Option<ProgressBar>,
}

impl Step {
    pub(crate) fn start(what: String) -> Step {
        let spinner = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner().with_message(what.clone());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(TICK);
            bar
        });
        if spinner.is_none() {
            eprintln!("{what} ...");
        }
        Step {
            what,
            started: Instant::now(),
            spinner,
        }
    }

    pub(crate) fn done(self) {
        let line = format!(
            "{} done in {:.1} s",
            self.what,
            self.started.elapsed().as_secs_f32()
        );
        match &self.spinner {
            Some(bar) => bar.finish_with_message(line),
            None => eprintln!("{line}"),
        }
    }
}
